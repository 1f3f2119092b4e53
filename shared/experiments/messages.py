"""Arms of experiments in messages."""

from collections.abc import Iterable

from quintet.type.v1.recommendation_pb2 import ExperimentAssignment, RecommendationList

from shared.experiments.decision import Exposure


def name_arms(answer: RecommendationList, exposures: Iterable[Exposure]) -> None:
    """Say in an answer which arms it belongs to; its `arm` is the first."""
    answer.assignments.extend(assignments((each.experiment_id, each.arm_id) for each in exposures))
    answer.arm = answer.assignments[0].arm_id if answer.assignments else ""


def assignments(arms: Iterable[tuple[str, str]]) -> list[ExperimentAssignment]:
    """Return pairs of experiment and arm as messages."""
    return [ExperimentAssignment(experiment_id=experiment, arm_id=arm) for experiment, arm in arms]
