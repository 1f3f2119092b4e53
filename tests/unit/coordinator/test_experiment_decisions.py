"""Experiments that are to conclude by themselves do so when the results tell, and not before."""

from typing import Any

import pytest
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.experiment_pb2 import (
    ArmComparison,
    Experiment,
    ExperimentArm,
    ExperimentResults,
    ExperimentState,
    Verdict,
)
from quintet.type.v1.placement_pb2 import Variant

from services.coordinator.experiment_decisions import decide_experiments, decision_of
from shared.errors import Unavailable

BETTER, WORSE, UNDECIDED = Verdict.VERDICT_BETTER, Verdict.VERDICT_WORSE, Verdict.VERDICT_UNDECIDED
RUNNING, STOPPED = ExperimentState.EXPERIMENT_STATE_RUNNING, ExperimentState.EXPERIMENT_STATE_STOPPED


def compared(arm: str, verdict: Any, difference: float = 0.1, *, guardrail: bool = False) -> ArmComparison:
    return ArmComparison(arm_id=arm, verdict=verdict, difference=difference, guardrail=guardrail)


def results(*comparisons: ArmComparison, **fields: Any) -> ExperimentResults:
    return ExperimentResults(comparisons=comparisons, summary="So it is.", **fields)


@pytest.mark.parametrize(
    ("found", "arm"),
    [
        (results(compared("b", UNDECIDED)), None),
        (results(compared("b", WORSE)), None),
        (results(compared("b", BETTER)), "b"),
        (results(compared("b", BETTER), compared("c", BETTER, 0.2)), "c"),
        (results(compared("b", BETTER), compared("b", WORSE, guardrail=True)), ""),
        (results(compared("b", BETTER), compared("b", UNDECIDED, guardrail=True)), "b"),
        (results(compared("b", BETTER), sample_ratio_mismatch=True), None),
    ],
)
def test_results_say_what_is_to_be_done(found: ExperimentResults, arm: str | None) -> None:
    decision = decision_of(found)
    assert (decision and decision.arm_id) == arm
    assert decision is None or decision.reason == "So it is."


class Agents:
    """Stands for the agents: experiments on pages of one, and what came of them."""

    def __init__(self, experiments: list[Experiment], found: dict[str, ExperimentResults]) -> None:
        self._experiments, self._found = experiments, found
        self.recommendation = self.feedback = self
        self.done: list[Any] = []

    def __getattr__(self, name: str) -> str:
        return name

    async def call(self, method: str, request: Any, timeout_seconds: float | None = None) -> Any:
        if method == "ListExperiments":
            place = int(request.page_token or 0)
            token = str(place + 1) if place + 1 < len(self._experiments) else ""
            return recommendation_pb.ListExperimentsResponse(
                experiments=self._experiments[place : place + 1], next_page_token=token
            )
        if method == "GetExperimentResults":
            if request.experiment_id not in self._found:
                raise Unavailable("not today")
            return feedback_pb.GetExperimentResultsResponse(results=self._found[request.experiment_id])
        experiment = next((each for each in self._experiments if each.experiment_id == request.experiment_id), None)
        if method != "GetExperiment":
            self.done.append(request)
        return recommendation_pb.ConcludeExperimentResponse(experiment=experiment)


def experiment(name: str, *, alone: bool = True, state: Any = RUNNING) -> Experiment:
    arms = [ExperimentArm(variant=Variant(variant_id=arm)) for arm in "ab"]
    return Experiment(experiment_id=name, arms=arms, conclude_automatically=alone, state=state)


async def test_what_is_told_is_done_and_the_rest_left_for_the_next_look() -> None:
    names = ["better", "broken", "unknown", "undecided"]
    every = [*map(experiment, names), experiment("by-hand", alone=False), experiment("over", state=STOPPED)]
    agents: Any = Agents(
        every,
        {
            "better": results(compared("b", BETTER)),
            "broken": results(compared("b", WORSE, guardrail=True)),
            "undecided": results(compared("b", UNDECIDED)),
            "by-hand": results(compared("b", BETTER), sample_ratio_mismatch=True),
            "over": results(compared("b", BETTER)),
        },
    )
    assert await decide_experiments(agents) == ["better", "broken"]
    conclude, alarm, stop, by_hand = agents.done
    assert (alarm.experiment_id, alarm.alarm, alarm.arm_id) == ("broken", "guardrail_broken", "b")
    assert (by_hand.experiment_id, by_hand.alarm, by_hand.arm_id) == ("by-hand", "sample_ratio_mismatch", "")
    assert (conclude.experiment_id, conclude.arm_id, conclude.reason) == ("better", "b", "So it is.")
    assert (stop.experiment_id, stop.reason) == ("broken", "So it is.")


async def test_without_the_agent_nothing_is_decided() -> None:
    class Nobody(Agents):
        async def call(self, method: str, request: Any, timeout_seconds: float | None = None) -> Any:
            raise Unavailable("nobody is there")

    nobody: Any = Nobody([], {})
    assert await decide_experiments(nobody) == []
