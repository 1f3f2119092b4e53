"""Which arms a list belongs to: by placement, time, unit, layer, and nothing else for who is held out."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.experiments.assignment import BUCKETS
from shared.experiments.experiment import Arm, Asker, Experiment, Unit
from shared.experiments.meeting import HOLDOUT, meetings
from shared.experiments.variant import Variant
from shared.merchandising.placement import Boosts, Placement

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ASKERS = [Asker(customer_id=f"c{number}") for number in range(500)]
ARMS = (Arm(Variant("control")), Arm(Variant("bold", diversity=0.5)))


def experiment(name: str = "e", **more: Any) -> Experiment:
    return Experiment(name, **{"arms": ARMS, "layer": f"experiment:{name}", **more})


def met(experiments: list[Experiment], asker: Asker, placement: str = "home") -> dict[str, str]:
    found = meetings(experiments, placement, asker, NOW)
    return {each.exposure.experiment_id: each.exposure.arm_id for each in found}


def test_every_unit_meets_one_arm_and_always_the_same() -> None:
    arms = [met([experiment()], asker) for asker in ASKERS]
    assert {tuple(each) for each in arms} == {("e",)}
    assert {each["e"] for each in arms} == {"control", "bold"}
    assert arms == [met([experiment()], asker) for asker in ASKERS]


@pytest.mark.parametrize(
    ("more", "runs"),
    [
        ({}, True),
        ({"placement_ids": frozenset({"home"})}, True),
        ({"placement_ids": frozenset({"cart"})}, False),
        ({"start": NOW}, True),
        ({"start": NOW + DAY}, False),
        ({"end": NOW}, False),
        ({"start": NOW - DAY, "end": NOW + DAY}, True),
    ],
)
def test_an_experiment_runs_in_its_places_and_times(more: dict[str, Any], runs: bool) -> None:
    assert bool(met([experiment(**more)], ASKERS[0])) == runs


def test_traffic_is_the_share_of_units_that_are_in_it() -> None:
    inside = sum(bool(met([experiment(buckets=BUCKETS // 5)], asker)) for asker in ASKERS)
    assert 0.14 < inside / len(ASKERS) < 0.26


def test_experiments_of_a_layer_exclude_each_other() -> None:
    half = BUCKETS // 2
    both = [experiment(name, layer="l", first_bucket=at, buckets=half) for name, at in (("a", 0), ("b", half))]
    assert {len(met(both, asker)) for asker in ASKERS} == {1}
    apart = [experiment("a"), experiment("b")]
    assert {len(met(apart, asker)) for asker in ASKERS} == {2}


def test_a_stranger_is_known_by_the_visitor_until_the_login() -> None:
    visitor, customer = Asker(visitor_id="v"), Asker("c", "v")
    by_customer, by_visitor = experiment(), experiment(unit=Unit.VISITOR)
    assert by_customer.unit_of(visitor) == by_visitor.unit_of(visitor)
    assert by_customer.unit_of(customer) == by_customer.unit_of(Asker("c")) != by_customer.unit_of(visitor)
    assert by_visitor.unit_of(customer) == by_visitor.unit_of(visitor)


def test_a_request_that_names_no_unit_is_in_no_experiment() -> None:
    by_visitor, by_session = experiment(unit=Unit.VISITOR), experiment(unit=Unit.SESSION)
    assert met([by_visitor, by_session], Asker("c")) == {}
    [only] = meetings([by_session], "home", Asker("c", "v", "s"), NOW)
    assert only.exposure.session == "s"


def test_who_is_held_out_is_in_no_other_experiment() -> None:
    holdout = experiment("zz", layer=HOLDOUT)
    found = [met([experiment("a"), holdout], asker) for asker in ASKERS]
    assert {tuple(sorted(each)) for each in found} == {("zz",), ("a", "zz")}
    assert all((each["zz"] == "bold") == (len(each) == 1) for each in found)


def test_a_variant_changes_what_it_says_and_no_more() -> None:
    home = Placement("home", strategy="popular", diversity=0.1, boosts=Boosts(price=0.5), count=7)
    assert Variant("nothing").fill(home) == home
    assert Variant("nothing").says_nothing
    assert not ARMS[1].variant.says_nothing
    weighed = Variant("w", weights=(("ease", 1.0),), with_rules=frozenset("a"), model_version="m").fill(home)
    assert (weighed.strategy, weighed.weights, weighed.count, weighed.diversity) == ("", (("ease", 1.0),), 7, 0.1)
    assert (weighed.with_rules, weighed.model_version, weighed.boosts) == (frozenset("a"), "m", home.boosts)
    plain = Variant("p", strategy="", diversity=0.9, boosts=Boosts()).fill(weighed)
    assert (plain.strategy, plain.weights, plain.diversity, plain.boosts) == ("", (), 0.9, Boosts())
