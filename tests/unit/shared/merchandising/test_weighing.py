"""Boosts raise what they name and lower nothing else; those of placements follow price, margin and novelty."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.merchandising.placement import Boosts
from shared.merchandising.rule import Exclude, Rule, Weigh
from shared.merchandising.weighing import Facts, boosted, weighed

ROWS = np.array([4, 7, 9], np.int32)
UNKNOWN = np.full(3, np.nan)


def mask(*rows: int) -> Any:
    held = np.zeros(10, np.bool_)
    held[list(rows)] = True
    return held


def facts(price: Any = UNKNOWN, margin: Any = UNKNOWN, added: Any = UNKNOWN) -> Facts:
    return Facts(*(np.array(each, np.float64) for each in (price, margin, added)))


def test_rules_multiply_and_say_what_they_touched() -> None:
    rules = [Rule("up", Weigh(2.0)), Rule("down", Weigh(0.25)), Rule("out", Exclude())]
    masks = {"up": mask(4, 7), "down": mask(7), "out": mask(9)}
    found = weighed(rules, ROWS, lambda rule: masks[rule.rule_id])
    assert found.factors.tolist() == [2.0, 0.5, 1.0]
    assert found.touched == {0: ("up",), 1: ("up", "down")}


@pytest.mark.parametrize(
    ("boosts", "factors"),
    [
        (Boosts(), [1.0, 1.0, 1.0]),
        (Boosts(price=1.0), [0.5, 2.0, 1.0]),
        (Boosts(price=-1.0), [2.0, 0.5, 1.0]),
        (Boosts(price=0.5), [2**-0.5, 2**0.5, 1.0]),
        (Boosts(margin=1.0), [0.5, 2.0, 1.0]),
        (Boosts(novelty=1.0), [1.0, 0.5, 2.0]),
        (Boosts(price=1.0, novelty=1.0), [0.5, 1.0, 2.0]),
    ],
)
def test_the_highest_has_twice_its_score_and_the_lowest_half(boosts: Boosts, factors: list[float]) -> None:
    found = boosted(boosts, facts([10, 30, 20], [0.1, 0.5, np.nan], [5, 1, 9]))
    assert found.tolist() == pytest.approx(factors)


@pytest.mark.parametrize(
    ("power", "prices", "factors"),
    [
        (1.0, [10, 40, 20], [0.5, 2.0, 1.0]),
        (0.5, [5, 20, 20], [0.5, 1.0, 1.0]),
        (-1.0, [10, 40, 20], [2.0, 0.5, 1.0]),
        (1.0, [10, np.nan, 0], [1.0, 1.0, 1.0]),
        (1.0, UNKNOWN, [1.0, 1.0, 1.0]),
    ],
)
def test_what_a_sale_brings_counts_by_a_power_of_the_price(power: float, prices: Any, factors: list[float]) -> None:
    assert boosted(Boosts(revenue=power), facts(prices)).tolist() == pytest.approx(factors)


@pytest.mark.parametrize("same", [[5, 5, 5], UNKNOWN, [5, np.nan, np.nan]])
def test_what_does_not_differ_or_is_not_known_keeps_its_score(same: Any) -> None:
    assert boosted(Boosts(price=1.0), facts(same)).tolist() == [1.0, 1.0, 1.0]


SCORES = st.lists(st.floats(0.01, 1.0), min_size=3, max_size=3)


@given(SCORES, st.floats(1.01, 10.0), st.integers(0, 2))
def test_a_boosted_product_never_comes_later_than_before(scores: list[float], factor: float, place: int) -> None:
    found = weighed([Rule("up", Weigh(factor))], ROWS, lambda _rule: mask(int(ROWS[place])))
    before, after = (np.argsort(-np.array(each), kind="stable").tolist() for each in (scores, scores * found.factors))
    assert after.index(place) <= before.index(place)
    assert [each for each in after if each != place] == [each for each in before if each != place]


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3), st.floats(0.01, 1.0))
def test_a_dearer_product_is_boosted_no_less(prices: list[float], strength: float) -> None:
    factors = boosted(Boosts(price=strength), facts(prices))
    order = np.argsort(prices)
    assert (np.diff(factors[order]) >= 0).all()
    assert factors.max() <= 2.0
    assert factors.min() >= 0.5
