"""Position bias: a known curve comes back from simulated clicks, and few clicks say nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.training import position_bias
from services.recommendation.training.position_bias import (
    LEAST_EXAMINATION,
    MOST_POSITIONS,
    Impressions,
    Method,
    PositionBias,
    by_interventions,
    by_regression,
    estimate,
    moved_impressions,
)

PLACES = 8
CURVE = 1.0 / np.arange(1, PLACES + 1) ** 0.8
"""The true examination."""


def impressions(
    n_lists: int = 6_000, *, moves: bool = True, seed: int = 0, curve: np.ndarray = CURVE, n_products: int = 40
) -> Impressions:
    """Lists of products of differing relevance, ordered by relevance with noise; the same shoppers see several."""
    rng = np.random.default_rng(seed)
    appeal = rng.uniform(-2.0, 1.0, n_products)
    shopper = np.repeat(np.arange(n_lists // 6), 6)
    chosen = np.argsort(rng.random((n_lists, n_products)), axis=1)[:, : len(curve)]
    if moves:  # six lists of one shopper hold the same products in other orders
        chosen = chosen[shopper * 6]
    noise = rng.normal(0.0, 1.0, chosen.shape)
    order = np.argsort(-(appeal[chosen] + noise), axis=1)
    products = np.take_along_axis(chosen, order, axis=1)
    relevance = 1 / (1 + np.exp(-appeal[products]))
    positions = np.tile(np.arange(1, len(curve) + 1), (n_lists, 1))
    clicked = rng.random(products.shape) < relevance * curve
    groups = shopper[:, None] * n_products + products if moves else np.full(products.shape, -1)
    features = np.stack([appeal[products].ravel(), rng.normal(size=products.size)], axis=1).astype(np.float32)
    n = products.size
    return Impressions(
        positions.ravel(), clicked.ravel(), groups.ravel().astype(np.int64), np.ones(n, np.float32), features
    )


def test_interventions_recover_a_known_curve() -> None:
    found = estimate(impressions())
    assert found.method is Method.INTERVENTIONS
    np.testing.assert_allclose(found.examination, CURVE, rtol=0.15)


def test_naive_click_rates_would_not() -> None:
    shown = impressions()
    rates = np.bincount(shown.positions - 1, shown.clicked) / np.bincount(shown.positions - 1)
    assert (rates / rates[0])[-1] < 0.7 * CURVE[-1]


def test_regression_recovers_a_known_curve_where_nothing_moved() -> None:
    found = estimate(impressions(moves=False))
    assert found.method is Method.REGRESSION
    np.testing.assert_allclose(found.examination, CURVE, rtol=0.15)


def test_without_a_bias_none_is_found() -> None:
    for moves in (True, False):
        found = estimate(impressions(moves=moves, curve=np.ones(PLACES)))
        assert found.examination.min() > 0.9


@pytest.mark.parametrize("moves", [True, False])
def test_few_clicks_say_nothing(moves: bool) -> None:
    found = estimate(impressions(12, moves=moves))
    assert found.method is Method.NONE
    assert (found.at(np.arange(1, 50)) == 1.0).all()
    assert found.last_examined() == -1


def test_no_impression_is_no_error() -> None:
    nothing = impressions(0)
    assert len(nothing) == 0
    assert estimate(nothing).method is Method.NONE


def test_interventions_need_enough_clicks_on_what_moved(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = impressions(600)
    moved = moved_impressions(shown.groups, shown.positions)
    harvested = int(shown.clicked[moved].sum())
    monkeypatch.setattr(position_bias, "FEWEST_HARVESTED_CLICKS", harvested)
    assert estimate(shown).method is Method.INTERVENTIONS
    assert estimate(shown).clicks == harvested
    monkeypatch.setattr(position_bias, "FEWEST_HARVESTED_CLICKS", harvested + 1)
    assert estimate(shown).method is Method.REGRESSION


def test_the_regression_takes_the_last_impressions(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = impressions(moves=False)
    monkeypatch.setattr(position_bias, "MOST_IMPRESSIONS", 20_000)
    found = estimate(shown)
    assert (found.method, found.clicks) == (Method.REGRESSION, int(shown.clicked[-20_000:].sum()))


def test_the_fewer_the_clicks_the_nearer_to_no_bias() -> None:
    many, few = estimate(impressions(12_000)), estimate(impressions(300))
    assert few.method is Method.INTERVENTIONS
    drawn = np.log(few.examination[1:]).sum() / np.log(many.examination[1:]).sum()
    assert drawn < 0.9


def test_what_stood_at_one_place_only_moved_nowhere() -> None:
    groups, positions = np.array([5, 5, 7, 7, -1, -1, 9]), np.array([1, 2, 3, 3, 1, 2, 1])
    assert moved_impressions(groups, positions).tolist() == [True, True, False, False, False, False, False]


def test_two_places_by_hand() -> None:
    # one group: clicked at place 1 in 4 of 8, at place 2 in 1 of 8; relevance cancels out
    positions = np.repeat([1, 2], 8)
    clicked = np.array([True] * 4 + [False] * 4 + [True] + [False] * 7)
    found = by_interventions(positions, clicked, np.zeros(16, np.int64), np.ones(16, np.float32))
    np.testing.assert_allclose(found, [1.0, 0.25], rtol=1e-3)


def test_places_that_were_drawn_with_differing_chances_are_weighted() -> None:
    # drawn half as often: weight 2. At place 1 the weighted rate is (2 + 0) / (2 + 1) = 2/3, at place 2 it is 1/3.
    positions, clicked = np.array([1, 1, 2, 2, 2]), np.array([True, False, True, False, False])
    weights = np.array([2.0, 1.0, 1.0, 1.0, 1.0], np.float32)
    found = by_interventions(positions, clicked, np.zeros(5, np.int64), weights)
    np.testing.assert_allclose(found, [1.0, 0.5], rtol=1e-3)


def test_features_that_say_nothing_leave_the_rates_of_clicks() -> None:
    shown = impressions(moves=False)
    found = by_regression(shown.positions, shown.clicked, np.zeros((len(shown), 1), np.float32))
    rates = np.bincount(shown.positions - 1, shown.clicked) / np.bincount(shown.positions - 1)
    np.testing.assert_allclose(found, rates / rates[0], rtol=0.05)


def test_places_after_the_last_share_its_probability_and_none_is_below_the_clip() -> None:
    bias = PositionBias(np.array([1.0, 0.4, 0.02]), Method.INTERVENTIONS, 1_000)
    assert bias.at(np.array([1, 2, 3, 90])).tolist() == [1.0, 0.4, LEAST_EXAMINATION, LEAST_EXAMINATION]
    assert bias.last_examined() == 2


def test_late_places_are_one() -> None:
    shown = impressions(curve=np.full(MOST_POSITIONS + 5, 0.9), n_products=60)
    assert len(estimate(shown).examination) == MOST_POSITIONS


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_an_estimate_is_a_falling_curve_from_one(seed: int, moves: bool) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 400))
    positions = rng.integers(1, 12, n)
    shown = Impressions(
        positions,
        rng.random(n) < rng.random(),
        rng.integers(0, 20, n) if moves else np.full(n, -1),
        rng.uniform(1.0, 5.0, n).astype(np.float32),
        rng.normal(size=(n, 2)).astype(np.float32),
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(position_bias, "FEWEST_HARVESTED_CLICKS", 1)
        patched.setattr(position_bias, "FEWEST_CLICKS", 1)
        examination = estimate(shown).examination
    assert examination[0] == 1.0
    assert (np.diff(examination) <= 1e-12).all()
    assert (examination > 0).all()
