"""Examples of shown lists: who stands against whom, with which weight; and what an order gains of the responses."""

from dataclasses import replace

import numpy as np
import pytest

from services.recommendation.training.ltr_dataset import LtrDataset
from services.recommendation.training.position_bias import Method, PositionBias
from services.recommendation.training.shown_examples import (
    MOST_WEIGHT,
    ShownExamples,
    click_sums,
    examined,
    response_weights,
)
from services.recommendation.training.shown_lists import PAGES, ShownLists
from shared.page_rules import Page

BIAS = PositionBias(np.array([1.0, 0.5, 0.2, 0.01]), Method.INTERVENTIONS, 1_000)


def examples() -> ShownExamples:
    """Two lists: of products 0 to 3 a click on 1 and a purchase of 2, of products 4 and 5 a click on 5."""
    return ShownExamples(
        features=np.arange(6, dtype=np.float32)[:, None] * [[1.0, 10.0]],
        owners=np.array([0, 0, 0, 0, 1, 1]),
        products=np.arange(6),
        grades=np.array([0, 1, 3, 0, 0, 1], np.int8),
        weights=np.array([1.0, 2.0, 1.0, 1.0, 1.0, 4.0], np.float32),
        customers=np.array([7, 8]),
        times=np.array([100, 200]),
    )


def shown(grades: list[int], *, whole: bool = True, dismissed: int | None = None) -> ShownLists:
    n = len(grades)
    return ShownLists(
        customers=np.array([0], np.int32),
        pages=np.array([PAGES.index(Page.HOME)], np.int8),
        times=np.array([0]),
        whole=np.array([whole]),
        owners=np.zeros(n, np.int64),
        products=np.arange(n, dtype=np.int32),
        positions=np.arange(1, n + 1),
        grades=np.array(grades, np.int8),
        dismissed=np.arange(n) == (-1 if dismissed is None else dismissed),
        propensities=np.ones(n, np.float32),
        worth=np.ones(n, np.float32),
    )


def questions(found: LtrDataset) -> list[tuple[list[int], list[bool], float]]:
    """Return the products, what was right, and the weight of each question."""
    ends = np.cumsum(found.sizes)[:-1]
    assert found.weights is not None
    parts = zip(*(np.split(each, ends) for each in (found.features, found.relevant, found.weights)), strict=True)
    return [(rows[:, 0].astype(int).tolist(), right.tolist(), float(weights[0])) for rows, right, weights in parts]


def test_each_response_stands_against_weaker_ones_of_its_list() -> None:
    found = questions(examples().dataset())
    assert [products for products, _, _ in found] == [[1, 0, 3], [2, 0, 1, 3], [5, 4]]
    assert [right for _, right, _ in found] == [[True, False, False], [True, False, False, False], [True, False]]


def test_questions_weigh_gain_over_examination_and_one_in_the_mean() -> None:
    gains = np.array([1 * 2.0, 7 * 1.0, 1 * 4.0])
    weights = [weight for _, _, weight in questions(examples().dataset())]
    np.testing.assert_allclose(weights, gains / gains.mean(), rtol=1e-6)
    heavier = [weight for _, _, weight in questions(examples().dataset().weighted(4.0))]
    np.testing.assert_allclose(heavier, 4.0 * gains / gains.mean(), rtol=1e-6)


def test_nothing_to_choose_between_teaches_nothing() -> None:
    alike = replace(examples(), grades=np.full(6, 1, np.int8))
    assert len(alike.dataset().sizes) == 0
    silent = replace(examples(), grades=np.zeros(6, np.int8))
    assert len(silent.dataset().sizes) == 0


def test_lists_are_joined_and_selected() -> None:
    twice = ShownExamples.joined([examples(), examples()])
    assert (twice.owners.tolist(), twice.customers.tolist()) == ([0, 0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 3], [7, 8, 7, 8])
    second = twice.where(np.array([False, True, False, False]))
    assert (second.owners.tolist(), second.products.tolist(), second.times.tolist()) == ([0, 0], [4, 5], [200])


def test_what_an_order_gains_by_hand() -> None:
    # products 0 to 3 in the order 0, 1, 2, 3: the click (gain 2) at rank 2, the purchase (gain 7) at rank 3
    sums = click_sums(examples(), np.array([9, 8, 7, 6, 1, 2], np.float32))
    np.testing.assert_allclose(sums.ndcg, [2 / np.log2(3) + 7 / np.log2(4), 4.0], rtol=1e-6)
    np.testing.assert_allclose(sums.ideal_ndcg, [7 + 2 / np.log2(3), 4.0], rtol=1e-6)
    np.testing.assert_allclose(sums.mrr, [2 / 2 + 1 / 3, 4.0], rtol=1e-6)
    np.testing.assert_allclose(sums.ideal_mrr, [2 / 1 + 1 / 2, 4.0], rtol=1e-6)


def test_no_order_gains_more_than_the_best() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        sums = click_sums(examples(), rng.random(6))
        assert (sums.ndcg <= sums.ideal_ndcg + 1e-9).all()
        assert (sums.mrr <= sums.ideal_mrr + 1e-9).all()
    best = click_sums(examples(), examples().gains)
    np.testing.assert_allclose(best.ndcg, best.ideal_ndcg)


def test_weights_are_over_examination_and_propensity_and_clipped() -> None:
    lists = replace(shown([0, 1, 0, 0]), propensities=np.array([1.0, 0.25, 1.0, 0.001], np.float32))
    found = response_weights(lists, {Page.HOME: BIAS})
    np.testing.assert_allclose(found, [1.0, 1 / (0.5 * 0.25), 5.0, MOST_WEIGHT], rtol=1e-6)
    np.testing.assert_allclose(response_weights(lists, {})[:3], [1.0, 4.0, 1.0], rtol=1e-6)
    less = replace(lists, worth=np.array([1.0, 0.25, 1.0, 1.0], np.float32))
    np.testing.assert_allclose(response_weights(less, {})[:3], [1.0, 1.0, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("lists", "kept"),
    [
        (shown([1, 0, 0, 0, 0]), 3),  # place 4 is hardly ever looked at
        (shown([1, 0, 0, 1, 0]), 4),  # but here it was
        (shown([1, 0, 0, 0, 0], dismissed=4), 5),
        (shown([1, 0, 0, 0, 0], whole=False), 5),  # the platform says which items were on screen
    ],
)
def test_whole_lists_end_where_nobody_looks(lists: ShownLists, kept: int) -> None:
    assert examined(lists, {Page.HOME: BIAS}).tolist() == [place < kept for place in range(5)]
    assert examined(lists, {}).all()
