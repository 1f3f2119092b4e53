"""The daily look at the experiments that run: alarms are written down, and those that are to conclude do so."""

from dataclasses import dataclass

import structlog
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.experiment_pb2 import ArmComparison, Experiment, ExperimentResults, ExperimentState, Verdict

from services.coordinator.agent_clients import AgentClients
from services.coordinator.experiment_conclusion import conclude
from shared.errors import QuintetError
from shared.experiments.actions import GUARDRAIL_BROKEN, SAMPLE_RATIO_MISMATCH
from shared.limits import MAX_NOTE
from shared.telemetry import BACKGROUND_ERRORS

RESULTS_TIMEOUT_SECONDS = 120.0
log = structlog.get_logger()


@dataclass(frozen=True)
class Decision:
    """What is to be done with an experiment: conclude it with an arm, or stop it where the arm is empty."""

    arm_id: str
    reason: str


@dataclass(frozen=True)
class Alarm:
    """What is wrong, one of `shared.experiments.actions`, with which arm, and the evidence."""

    name: str
    arm_id: str
    reason: str


def decision_of(results: ExperimentResults) -> Decision | None:
    """Return what the results say is to be done; None where they do not tell yet, or cannot be trusted.

    An arm that breaks a guardrail beyond doubt stops the experiment. Of the arms that are better than the control
    beyond doubt, the best one is chosen.
    """
    if results.sample_ratio_mismatch:
        return None
    if _broken(results):
        return Decision("", results.summary[:MAX_NOTE])
    better = [each for each in results.comparisons if not each.guardrail and each.verdict == Verdict.VERDICT_BETTER]
    if not better:
        return None
    best = max(better, key=lambda each: abs(each.difference))
    return Decision(best.arm_id, results.summary[:MAX_NOTE])


def alarms_of(results: ExperimentResults) -> list[Alarm]:
    """Return what is wrong with an experiment: units of an arm are lost, or arms break guardrails beyond doubt."""
    if results.sample_ratio_mismatch:
        return [Alarm(SAMPLE_RATIO_MISMATCH, "", results.summary[:MAX_NOTE])]
    return [Alarm(GUARDRAIL_BROKEN, each.arm_id, results.summary[:MAX_NOTE]) for each in _broken(results)]


def _broken(results: ExperimentResults) -> list[ArmComparison]:
    """Return the comparisons whose guardrail is broken beyond doubt."""
    return [each for each in results.comparisons if each.guardrail and each.verdict == Verdict.VERDICT_WORSE]


async def decide_experiments(agents: AgentClients) -> list[str]:
    """Write down alarms, conclude or stop the experiments that are to do so by themselves, and return the ids of these.

    One that cannot be decided on is left to the next look.
    """
    decided: list[str] = []
    try:
        running = await _running(agents)
    except QuintetError as error:
        log.warning("the experiments could not be looked at", error=error.message)
        BACKGROUND_ERRORS.labels("coordinator", "experiments").inc()
        return decided
    for experiment in running:
        try:
            if await _decide(agents, experiment):
                decided.append(experiment.experiment_id)
        except QuintetError as error:
            log.warning("an experiment could not be decided on", id=experiment.experiment_id, error=error.message)
            BACKGROUND_ERRORS.labels("coordinator", "experiments").inc()
    return decided


async def _running(agents: AgentClients) -> list[Experiment]:
    found: list[Experiment] = []
    token = ""
    while True:
        request = recommendation_pb.ListExperimentsRequest(page_token=token)
        page = await agents.call(agents.recommendation.ListExperiments, request)
        found += [each for each in page.experiments if each.state == ExperimentState.EXPERIMENT_STATE_RUNNING]
        token = page.next_page_token
        if not token:
            return found


async def _decide(agents: AgentClients, experiment: Experiment) -> bool:
    name = experiment.experiment_id
    request = feedback_pb.GetExperimentResultsRequest(experiment_id=name)
    answer = await agents.call(agents.feedback.GetExperimentResults, request, RESULTS_TIMEOUT_SECONDS)
    for alarm in alarms_of(answer.results):
        told = {"experiment_id": name, "alarm": alarm.name, "arm_id": alarm.arm_id, "reason": alarm.reason}
        note = recommendation_pb.RecordExperimentAlarmRequest(**told)
        await agents.call(agents.recommendation.RecordExperimentAlarm, note)
    decision = decision_of(answer.results) if experiment.conclude_automatically else None
    if decision is None:
        return False
    if not decision.arm_id:
        stop = recommendation_pb.StopExperimentRequest(experiment_id=name, reason=decision.reason)
        await agents.call(agents.recommendation.StopExperiment, stop)
        return True
    chosen = recommendation_pb.ConcludeExperimentRequest(
        experiment_id=name, arm_id=decision.arm_id, reason=decision.reason, apply=True
    )
    await conclude(agents, chosen)
    return True
