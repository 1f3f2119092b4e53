"""What is wrong with an experiment, a variant or a bandit is said with field and value."""

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1.experiment_pb2 import Experiment as ExperimentMessage
from quintet.type.v1.experiment_pb2 import ExperimentArm, ExperimentDesign, Guardrail
from quintet.type.v1.placement_pb2 import Bandit, Exploration, Placement, Reward, Variant

from shared.errors import InvalidArgument
from shared.experiments.convert import to_experiment
from shared.experiments.experiment import Experiment
from shared.merchandising.convert import to_placement

TWO = [ExperimentArm(variant=Variant(variant_id=name)) for name in ("a", "b")]
INTERLEAVED = ExperimentDesign.EXPERIMENT_DESIGN_TEAM_DRAFT
WEIGHTS = [{"algorithm": "ease", "weight": 1}]


def experiment(**fields: Any) -> Experiment:
    return to_experiment(ExperimentMessage(**{"experiment_id": "e", "arms": TWO, **fields}))


def bandit(**fields: Any) -> Any:
    variants = [Variant(variant_id=name) for name in ("a", "b")]
    return to_placement(Placement(placement_id="p", bandit=Bandit(**{"variants": variants, **fields})))


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: experiment(experiment_id="E"), "experiment.experiment_id"),
    (lambda: experiment(arms=TWO[:1]), "experiment.arms"),
    (lambda: experiment(arms=[TWO[0]] * 2), "experiment.arms[1].variant.variant_id"),
    (lambda: experiment(unit=9), "experiment.unit"),
    (lambda: experiment(traffic=1.1), "experiment.traffic"),
    (lambda: experiment(layer="No"), "experiment.layer"),
    (lambda: experiment(guardrails=[Guardrail()]), "experiment.guardrails[0].metric"),
    (
        lambda: experiment(start_time=Timestamp(seconds=2), end_time=Timestamp(seconds=1)),
        "experiment.end_time",
    ),
    (
        lambda: experiment(design=INTERLEAVED, arms=[*TWO, ExperimentArm(variant=Variant(variant_id="c"))]),
        "experiment.arms",
    ),
    (lambda: bandit(variants=[Variant(variant_id="a")]), "placement.bandit.variants"),
    (lambda: bandit(variants=[Variant(variant_id="a")] * 2), "placement.bandit.variants[1].variant_id"),
    (lambda: bandit(reward=Reward()), "placement.bandit.reward"),
    (lambda: bandit(reward=Reward(click=-1)), "placement.bandit.reward.click"),
    (
        lambda: bandit(variants=[Variant(variant_id="a", strategy="nonsense"), Variant(variant_id="b")]),
        "placement.bandit.variants[0].strategy",
    ),
    (
        lambda: bandit(variants=[Variant(variant_id="a", strategy="ease", weights=WEIGHTS), Variant(variant_id="b")]),
        "placement.bandit.variants[0].strategy",
    ),
    (
        lambda: bandit(variants=[Variant(variant_id="a", weights=WEIGHTS * 2), Variant(variant_id="b")]),
        "placement.bandit.variants[0].weights[1].algorithm",
    ),
    (
        lambda: to_placement(Placement(placement_id="p", exploration=Exploration())),
        "placement.exploration.share_of_places",
    ),
    (
        lambda: to_placement(Placement(placement_id="p", weights=[{"algorithm": "ease", "weight": 0}])),
        "placement.weights",
    ),
]


@pytest.mark.parametrize(("make", "field"), WRONG, ids=[field for _, field in WRONG])
def test_what_is_wrong_is_refused_by_field(make: Callable[[], object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        make()
    assert caught.value.metadata["field"] == field


def test_a_bandit_that_is_switched_off_is_none() -> None:
    assert bandit(disabled=True).bandit is None
    assert [each.variant_id for each in bandit().bandit.variants] == ["a", "b"]


def test_an_experiment_without_a_layer_has_one_of_its_own() -> None:
    assert experiment().layer == "experiment:e"
    assert experiment(layer="home").layer == "home"


def test_the_smallest_traffic_is_one_bucket() -> None:
    assert experiment(traffic=1e-9).buckets == 1
