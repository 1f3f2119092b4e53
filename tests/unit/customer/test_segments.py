"""RFM: frozen quintiles, rules that cover everything, a confidence with a meaning."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.customer.clock import DAY
from services.customer.events import Events, Kind
from services.customer.rfm import MAX_SAMPLE, RfmValues, Scale, rfm_values
from services.customer.segments import NO_PURCHASE, RULES, Memberships, Rfm
from tests.unit.customer.histories import NOW, joined, purchases


def values(recency: list[float], frequency: list[float], monetary: list[float]) -> RfmValues:
    return RfmValues(np.array(recency, dtype=float), np.array(frequency, dtype=float), np.array(monetary, dtype=float))


def uniform(n: int = 500, seed: int = 0) -> RfmValues:
    rng = np.random.default_rng(seed)
    return RfmValues(rng.uniform(0, 300, n), rng.uniform(1, 100, n), rng.uniform(1, 10_000, n))


def names(memberships: Memberships) -> list[str]:
    return [memberships.names[code] for code in memberships.codes]


def test_values_count_baskets_and_sum_lines() -> None:
    view = Events.of([NOW], [0], [Kind.VIEW])
    one_basket = Events.of([NOW - 4 * DAY] * 2, [0, 1], [Kind.PURCHASE] * 2, amounts=[150, 50], baskets=[7, 7])
    found = rfm_values(*joined([purchases([9, 2, -1], [0, 1, 2]), one_basket, view]), 4, NOW)
    assert found.recency_days.tolist()[:2] == [2.0, 4.0]
    assert np.isnan(found.recency_days[2:]).all()
    assert found.frequency.tolist() == [2, 1, 0, 0]
    assert found.monetary.tolist() == [200, 200, 0, 0]


def test_every_triple_of_scores_has_a_segment_and_every_rule_is_used() -> None:
    first = [
        next(rule.name for rule in RULES if rule.matches(*scores))
        for scores in itertools.product(range(1, 6), repeat=3)
    ]
    assert set(first) == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("recency", "frequency", "monetary", "name"),
    [
        (1, 99, 9900, "champions"),
        (150, 99, 100, "loyal"),
        (1, 1.5, 50, "new_customers"),
        (90, 1.5, 50, "promising"),
        (10, 1.5, 9900, "big_spenders"),
        (290, 99, 9900, "cant_lose"),
        (290, 50, 50, "at_risk"),
        (290, 1.5, 50, "hibernating"),
    ],
)
def test_typical_customers(recency: float, frequency: float, monetary: float, name: str) -> None:
    model = Rfm.fit(uniform())
    assert names(model.memberships(values([recency], [frequency], [monetary]))) == [name]


def test_scores_are_quintiles_of_the_population_and_frozen() -> None:
    model = Rfm.fit(values(list(range(10)), list(range(1, 11)), list(range(10))))
    scores = model.scores(values([0.0, 9.0, 4.0], [1, 10, 5], [0, 9, 4]))
    assert scores.tolist() == [[5, 1, 1], [1, 5, 5], [3, 3, 3]]
    assert model.scores(values([1000.0], [1000], [-5])).tolist() == [[1, 5, 1]]


def test_many_equal_values_share_a_score() -> None:
    scale = Scale.fit(np.array([1.0] * 70 + [2.0] * 20 + [9.0] * 10))
    assert scale.score(np.array([1.0, 2.0, 9.0])).tolist() == [1, 4, 5]
    np.testing.assert_allclose(scale.score_chances(np.array([1.0]), 0.1), [[1, 0, 0, 0, 0]])


def test_confidence_is_low_at_a_border_and_high_far_from_it() -> None:
    population = values(list(np.linspace(0, 100, 1001)), [1.0] * 1001, [100.0] * 1001)
    model = Rfm.fit(population)
    days = [20.0, 10.0, 90.0]  # border of two segments; middle of one; far from any
    found = model.memberships(values(days, [1.0] * 3, [100.0] * 3))
    assert found.confidence[0] == pytest.approx(0.5, abs=0.01)
    assert found.confidence[1:] == pytest.approx([1.0, 1.0], abs=0.01)


def test_customers_without_a_purchase_have_their_own_segment() -> None:
    found = Rfm.fit(uniform()).memberships(values([np.nan], [0], [0]))
    assert names(found) == [NO_PURCHASE]
    assert found.confidence.tolist() == [1.0]


def test_fitting_needs_a_buyer() -> None:
    with pytest.raises(ValueError, match="at least one customer must have bought"):
        Rfm.fit(values([np.nan], [0], [0]))


def test_a_large_population_is_kept_as_quantiles() -> None:
    population = uniform(20_000)
    model = Rfm.fit(population)
    assert {len(scale.sample) for scale in model.scales.values()} == {MAX_SAMPLE}
    shares = np.bincount(model.scores(population)[:, 1], minlength=6)[1:] / 20_000
    np.testing.assert_allclose(shares, 0.2, atol=0.005)


def test_criteria_and_state_are_plain_json() -> None:
    model = Rfm.fit(uniform())
    criteria = json.loads(json.dumps(model.criteria()))
    assert criteria["champions"]["recency"] == [5, 5]
    assert criteria["champions"]["score_limits"]["recency_days"][0] > 200
    arrays, metadata = model.state()
    again = Rfm.load((arrays, json.loads(json.dumps(metadata))))
    assert again.memberships(uniform(seed=1)).codes.tolist() == model.memberships(uniform(seed=1)).codes.tolist()
    with pytest.raises(ValueError, match="format: this version reads 1, got None"):
        Rfm.load((arrays, {}))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 4), st.integers(-10, 500)), min_size=1, max_size=40))
def test_confidence_is_a_chance_and_units_do_not_matter(rows: list[tuple[int, int, int]]) -> None:
    recency, frequency, monetary = (list(map(float, column)) for column in zip(*rows, strict=True))
    population = values(recency, frequency, monetary)
    if not population.active.any():
        return
    found = Rfm.fit(population).memberships(population)
    assert np.all((found.confidence > 0) & (found.confidence <= 1))
    scaled = values([7 * r for r in recency], [2 * f for f in frequency], [100 * m for m in monetary])
    np.testing.assert_array_equal(Rfm.fit(scaled).memberships(scaled).codes, found.codes)
