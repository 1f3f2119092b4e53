"""The experiments by which a share of the shoppers meets another model than the rest."""

from collections.abc import Callable

from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.experiment_pb2 import Experiment, ExperimentArm, ExperimentResults, ExperimentState, Guardrail
from quintet.type.v1.placement_pb2 import Variant

from services.coordinator.agent_clients import AgentClients
from services.coordinator.improvement.decisions import GUARDED, PRIMARY
from shared.db.improvement_runs import ImprovementRun
from shared.errors import FailedPrecondition, NotFound
from shared.limits import MAX_NOTE

RESULTS_TIMEOUT_SECONDS = 120.0
_ID_DIGITS = 24
Make = Callable[[ImprovementRun, float, float], Experiment]


def canary(run: ImprovementRun, share: float, tolerance: float) -> Experiment:
    """Return the experiment in which a share of the shoppers meets the candidate; the live model is the control."""
    live = ExperimentArm(variant=Variant(variant_id="live"), share=1 - share)
    candidate = ExperimentArm(variant=Variant(variant_id="candidate", model_version=run.candidate), share=share)
    return _experiment("canary", run, tolerance, live, candidate)


def holdback(run: ImprovementRun, share: float, tolerance: float) -> Experiment:
    """Return the experiment in which a share of the shoppers stays on the former model, which is the control."""
    former = ExperimentArm(variant=Variant(variant_id="former", model_version=run.former), share=share)
    candidate = ExperimentArm(variant=Variant(variant_id="candidate"), share=1 - share)
    return _experiment("holdback", run, tolerance, former, candidate)


async def begin(agents: AgentClients, experiment: Experiment) -> None:
    """Start an experiment, which may have been started just so before."""
    request = recommendation_pb.CreateExperimentRequest(experiment=experiment)
    await agents.call(agents.recommendation.CreateExperiment, request)


async def results(agents: AgentClients, experiment_id: str) -> ExperimentResults | None:
    """Return what came of an experiment; None where it is gone or no longer runs: somebody ended it."""
    request = feedback_pb.GetExperimentResultsRequest(experiment_id=experiment_id)
    try:
        answer = await agents.call(agents.feedback.GetExperimentResults, request, RESULTS_TIMEOUT_SECONDS)
    except NotFound:
        return None
    found: ExperimentResults = answer.results
    return found if found.experiment.state == ExperimentState.EXPERIMENT_STATE_RUNNING else None


async def end(agents: AgentClients, experiment_id: str | None, reason: str) -> None:
    """Stop an experiment; one that is gone or was concluded stays so."""
    if not experiment_id:
        return
    request = recommendation_pb.StopExperimentRequest(experiment_id=experiment_id, reason=reason[:MAX_NOTE])
    try:
        await agents.call(agents.recommendation.StopExperiment, request)
    except (NotFound, FailedPrecondition):
        return


def _experiment(stage: str, run: ImprovementRun, tolerance: float, *arms: ExperimentArm) -> Experiment:
    return Experiment(
        experiment_id=f"{stage}-{run.run_id[:_ID_DIGITS]}",
        description=f"{stage.capitalize()} of improvement run {run.run_id}: model {run.candidate}.",
        arms=arms,
        primary_metric=PRIMARY,
        guardrails=[Guardrail(metric=metric, tolerance=tolerance) for metric in GUARDED],
        minimum_effect=tolerance,
    )
