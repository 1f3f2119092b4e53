"""`quintet what-if` asks for what is given, and prints what would have been earned or why nobody knows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.experiment_pb2 import (
    ConfigurationEstimate,
    EstimateBasis,
    OffPolicyEstimator,
    RewardEstimate,
)
from quintet.type.v1.placement_pb2 import PreviewExample, PreviewItem, Reward

from tests.unit.cli.door import invoke, opened

FOUND = ConfigurationEstimate(
    placement_id="home",
    basis=EstimateBasis.ESTIMATE_BASIS_REPLAY,
    estimator=OffPolicyEstimator.OFF_POLICY_ESTIMATOR_CASCADE_DOUBLY_ROBUST,
    reward=Reward(revenue=1, click=2),
    currency_code="EUR",
    logged=RewardEstimate(value=0.5, low=0.4, high=0.6),
    estimated=RewardEstimate(value=0.75, low=0.6, high=0.9),
    difference=RewardEstimate(value=0.25, low=0.1, high=0.4),
    lists=1200,
    units=600,
    support=1,
    changed_share=0.125,
    examples=[PreviewExample(before=["a", "b"], after=[PreviewItem(product_id="a"), PreviewItem(product_id="c")])],
    incomplete=True,
    summary="It would have earned more.",
)


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator that answers one estimate, or refuses placement `new`."""

    def __init__(self) -> None:
        self.asked: list[pb.EvaluateConfigurationRequest] = []

    def EvaluateConfiguration(
        self, request: pb.EvaluateConfigurationRequest, context: Any
    ) -> pb.EvaluateConfigurationResponse:
        self.asked.append(request)
        if request.placement_id == "new":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "overlap: explore it, or run an experiment")
        return pb.EvaluateConfigurationResponse(estimate=FOUND)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def address(door: Door) -> Iterator[str]:
    with opened(door) as where:
        yield where


def test_what_would_have_been_earned_is_printed(door: Door, address: str) -> None:
    done, said = invoke("what-if", "home", "--diversity", "0.3", "--reward", "revenue", "--address", address)
    assert done.exit_code == 0, said
    for words in (
        "by replay, cascade_doubly_robust",
        "2 click + revenue, EUR",
        "0.75",
        "750.0",
        "+0.1 to +0.4",
        "1,200 lists of 600 customers",
        "12.5% of the lists would have been different",
        "shown: a, b",
        "then a, c",
        "give more --seconds",
        "It would have earned more.",
    ):
        assert words in said
    asked = door.asked[0]
    assert (asked.variant.diversity, asked.reward, asked.max_lists) == (0.3, Reward(revenue=1), 20_000)


def test_json_is_the_message(address: str) -> None:
    done, said = invoke("what-if", "home", "--variant", "bold", "--json", "--address", address)
    assert done.exit_code == 0
    assert json.loads(said)["estimated"]["value"] == 0.75


def test_arms_files_and_estimators_are_passed_on(door: Door, address: str, tmp_path: Path) -> None:
    file = tmp_path / "variant.yaml"
    file.write_text("variants:\n  - variant_id: cheap\n    boosts: {price: -0.5}\n")
    for given in (
        ["--experiment", "e", "--arm", "a", "--estimator", "self_normalised"],
        ["--file", str(file), "--reward", "click=2", "--reward", "purchase=10"],
        ["--without-exploration"],
    ):
        assert invoke("what-if", "home", *given, "--address", address)[0].exit_code == 0
    arm, boosted, certain = door.asked
    assert (arm.arm.experiment_id, arm.arm.arm_id, arm.estimator) == ("e", "a", 3)
    assert (boosted.variant.boosts.price, boosted.reward) == (-0.5, Reward(click=2, purchase=10))
    assert (certain.without_exploration, certain.WhichOneof("configuration")) == (True, None)


def test_a_refusal_is_printed(address: str) -> None:
    done, said = invoke("what-if", "new", "--variant", "bold", "--address", address)
    assert (done.exit_code, "run an experiment" in said) == (1, True)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--variant", "a", "--arm", "b"], "give one of"),
        (["--reward", "luck"], "must be one of click"),
        (["--reward", "click=much"], "is no number"),
        (["--estimator", "guess"], "must be one of doubly_robust"),
    ],
)
def test_what_cannot_be_asked_is_said(address: str, given: list[str], words: str) -> None:
    done, said = invoke("what-if", "home", *given, "--address", address)
    assert done.exit_code == 2
    assert words in said
