"""Basket baselines, by hand."""

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind, Shopper
from services.recommendation.evaluation.basket_baselines import BasketLines, TifuKnn, UpCf
from services.recommendation.holdout.histories import CustomerHistories
from services.recommendation.holdout.tasks import Protocol, Task
from tests.unit.recommendation.evaluation.synthetic_data import at_random, bought, events, rows, viewed

NOTHING = rows()
TRAIN = events(
    bought(0, 1, 1), bought(0, 2, 2), bought(0, 1, 3), bought(0, 1, 3), viewed(0, 4, 9),
    bought(1, 1, 1), bought(1, 3, 2),
    bought(2, 5, 1),
    n_customers=3, n_products=6,
)  # fmt: skip
"""Customer 0 buys 1, 2, 1; customer 1 buys 1, 3; customer 2 buys 5."""


def task(train: Interactions = TRAIN) -> Task:
    return Task(train, Protocol.NEXT_BASKET, Kind.PURCHASE)


def shoppers(*customers: int) -> list[Shopper]:
    histories = CustomerHistories(TRAIN, 20)
    return [histories.shopper(customer) for customer in customers]


def test_lines_of_train_and_of_shoppers_are_the_same() -> None:
    for train in (TRAIN, at_random(2)):
        one = BasketLines.of_train(train, Kind.PURCHASE)
        histories = CustomerHistories(train, 70)
        everybody = [histories.shopper(customer) for customer in range(train.n_customers)]
        other = BasketLines.of_shoppers(everybody, Kind.PURCHASE, train.n_products)
        for name in ("owners", "products", "ages", "counts"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist(), name


def test_ages_count_baskets_from_the_newest() -> None:
    lines = BasketLines.of_train(TRAIN, Kind.PURCHASE)
    assert lines.counts.tolist() == [3, 2, 1]
    assert list(zip(lines.owners.tolist(), lines.products.tolist(), lines.ages.tolist(), strict=True)) == [
        (0, 1, 2), (0, 2, 1), (0, 1, 0), (1, 1, 1), (1, 3, 0), (2, 5, 0)
    ]  # fmt: skip


def test_a_running_session_is_the_newest_basket() -> None:
    lines = BasketLines.of_shoppers([Shopper(now=9, session=rows(4, 4))], Kind.PURCHASE, 6)
    assert (lines.products.tolist(), lines.ages.tolist(), lines.counts.tolist()) == ([4], [0], [1])


def test_the_temporal_item_frequency_by_hand() -> None:
    # two groups: the newest two baskets, and the earliest alone
    vector = TifuKnn(groups=2, basket_decay=0.5, group_decay=0.1).vectors(BasketLines.of_train(TRAIN, Kind.PURCHASE))
    newest = {1: 1.0 / 2, 2: 0.5 / 2}
    assert vector.toarray()[0, 1] == pytest.approx((newest[1] + 0.1 * 1.0) / 2)
    assert vector.toarray()[0, 2] == pytest.approx(newest[2] / 2)


def test_neighbours_bring_what_the_shopper_never_had() -> None:
    ranker = TifuKnn(neighbours=2, own_share=0.7)
    ranker.fit(task())
    scores = ranker._scores(shoppers(0))[0]
    vectors = ranker.vectors(BasketLines.of_train(TRAIN, Kind.PURCHASE)).toarray()
    expected = 0.7 * vectors[0] + 0.3 * (vectors[0] + vectors[1]) / 2  # itself and customer 1 are nearest
    np.testing.assert_allclose(scores, expected, atol=1e-8)
    assert ranker.top(shoppers(0), [NOTHING], 3)[0, :3].tolist() == [1, 2, 3]


def test_up_cf_by_hand() -> None:
    ranker = UpCf(recent=2, locality=2.0, asymmetry=0.5)
    ranker.fit(task())
    scores = ranker._scores(shoppers(0))[0]
    # customer 0 has {1, 2}, customer 1 {1, 3}: one of two in common; the last two baskets of 0 are 2 and 1
    similarity = (1 / 2) ** 2
    np.testing.assert_allclose(scores[[1, 2, 3, 5]], [0.5 + similarity / 2, 0.5, similarity / 2, 0.0], atol=1e-8)


def test_up_cf_counts_all_baskets_where_nothing_is_said() -> None:
    shares = UpCf().popularities(BasketLines.of_train(TRAIN, Kind.PURCHASE)).toarray()
    np.testing.assert_allclose(shares[0], [0, 2 / 3, 1 / 3, 0, 0, 0])


def test_up_cf_gives_a_stranger_best_sellers() -> None:
    ranker = UpCf()
    ranker.fit(task())
    assert ranker.top([Shopper(now=20)], [NOTHING], 6)[0, 0] == 1


@pytest.mark.parametrize("make", [TifuKnn, UpCf])
def test_no_shoppers(make: type[TifuKnn | UpCf]) -> None:
    ranker = make()
    ranker.fit(task())
    assert ranker.top([], [], 3).shape == (0, 3)
