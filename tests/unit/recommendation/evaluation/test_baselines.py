"""What anybody could do, by hand where it is simple, by its sense where a library does it."""

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind, Shopper
from services.recommendation.evaluation import ranker_registry
from services.recommendation.evaluation.baselines import BuysPerView, MostPopular, PersonalFrequency, popularity
from services.recommendation.evaluation.implicit_baselines import matrix_of
from services.recommendation.holdout.histories import CustomerHistories
from services.recommendation.holdout.tasks import Protocol, Task, Tunes
from shared.errors import InvalidArgument
from tests.unit.recommendation.evaluation.synthetic_data import bought, events, rows, two_tastes, viewed

IMPLICIT = ("implicit_als", "implicit_bpr", "implicit_bm25", "implicit_item_knn")
NOTHING = rows()


def task(train: Interactions, target: Kind = Kind.PURCHASE) -> Task:
    return Task(train, Protocol.TOP_N, target)


def data() -> Interactions:
    """Product 1 has two buyers, 2 one who came back, 3 one, 4 only viewers, 5 nobody."""
    return events(
        bought(0, 1, 1), bought(1, 1, 2), bought(1, 2, 2), bought(1, 2, 5), bought(1, 2, 5, 5), bought(2, 3, 3),
        viewed(0, 4, 1), viewed(1, 4, 1), viewed(2, 4, 1),
    )  # fmt: skip


def test_popularity_counts_customers() -> None:
    assert popularity(task(data())).tolist() == [0, 2, 1, 1, 0, 0, 0, 0]
    assert popularity(task(data(), Kind.VIEW)).tolist() == [0, 0, 0, 0, 3, 0, 0, 0]
    assert popularity(task(data(), Kind.CART)).tolist() == [0, 2, 1, 1, 3, 0, 0, 0]


def test_most_popular_first_and_nothing_that_nobody_took() -> None:
    ranker = MostPopular()
    ranker.fit(task(data()))
    top = ranker.top([Shopper(now=9), Shopper(now=9)], [NOTHING, rows(1)], 4)
    assert top[0, 0] == 1
    assert set(top[0]) == {1, 2, 3, -1}
    assert set(top[1]) == {2, 3, -1}


def test_personal_frequency_counts_baskets_and_popularity_settles_ties() -> None:
    train = events(
        bought(0, 3, 1), bought(0, 3, 2), bought(0, 2, 1), bought(0, 1, 3), bought(0, 1, 3), bought(1, 2, 1),
        viewed(0, 4, 4), viewed(0, 4, 5), viewed(0, 4, 6), bought(1, 5, 1),
    )  # fmt: skip
    ranker = PersonalFrequency()
    ranker.fit(task(train))
    shoppers = [CustomerHistories(train, 9).shopper(0), Shopper(now=9, session=rows(5, 1, 1))]
    top = ranker.top(shoppers, [NOTHING, NOTHING], 5)
    # 3 in two baskets; 2 and 1 in one each, 2 with more customers; then what others buy; views are no purchases
    assert top[0].tolist() == [3, 2, 1, 5, -1]
    assert top[1, :2].tolist() == [1, 5]


def test_buys_per_view_orders_what_was_viewed_and_not_bought() -> None:
    train = events(
        viewed(0, 1, 1), viewed(1, 1, 1), viewed(2, 1, 1), bought(1, 1, 2),  # 1 of 3
        viewed(0, 2, 1), viewed(1, 2, 1), bought(1, 2, 2), bought(2, 2, 2),  # 2 of 2
        viewed(0, 3, 1), bought(0, 3, 2), viewed(0, 4, 1), bought(1, 5, 2),
    )  # fmt: skip
    ranker = BuysPerView()
    ranker.fit(task(train))
    shoppers = [CustomerHistories(train, 9).shopper(0), Shopper(now=9)]
    top = ranker.top(shoppers, [rows(3), NOTHING], 5)
    # 4 was viewed but never bought by anybody: still before what the shopper never met
    assert top[0].tolist() == [2, 1, 4, 5, -1]
    assert top[1, 0] == 2  # for a stranger the best-seller


@pytest.mark.parametrize(
    ("protocol", "skipped"),
    [
        (Protocol.SESSION, {"buys_per_view", "tifu_knn", "up_cf"}),
        (Protocol.TOP_N, {"vstan", "repeat_first_session_knn", "repeat_first_item_knn"}),
    ],
)
def test_baselines_that_mean_nothing_under_a_protocol_say_so(protocol: Protocol, skipped: set[str]) -> None:
    names = ranker_registry.names()
    assert set(ranker_registry.unsuited(names, protocol, data(), Kind.PURCHASE)) == skipped


def test_buys_per_view_needs_views_and_buys() -> None:
    only = events(bought(0, 1, 1))
    for target in (Kind.PURCHASE, Kind.CART):
        assert "buys_per_view" in ranker_registry.unsuited(["buys_per_view"], Protocol.TOP_N, only, target)


@pytest.mark.parametrize("name", ranker_registry.TUNED_BASELINES)
def test_tuned_baselines_choose_and_rank(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranker_registry, "FACTORS", 8)
    train = two_tastes()
    (ranker,) = ranker_registry.rankers([name], threads=1)
    assert isinstance(ranker, Tunes)
    ranker.fit(task(train))
    assert ranker.chosen
    shoppers = [CustomerHistories(train, train.now).shopper(customer) for customer in range(20)]
    top = ranker.top(shoppers, [each.bought for each in shoppers], 5)
    assert not any(np.isin(listed, each.bought).any() for listed, each in zip(top, shoppers, strict=True))
    if name in ("up_cf", "tuned_als", "tuned_item_knn"):  # the others need baskets of several products, or fewer ties
        own = [product % 2 == customer % 2 for customer, listed in enumerate(top) for product in listed if product >= 0]
        assert np.mean(own) > 0.8


def test_no_shoppers() -> None:
    ranker = MostPopular()
    ranker.fit(task(data()))
    assert ranker.top([], [], 3).shape == (0, 3)


def test_the_matrix_of_shoppers() -> None:
    shopper = Shopper(
        now=9, products=rows(1, 1, 2), kinds=np.array([0, 2, 1], np.int8), times=np.zeros(3, np.int64),
        baskets=rows(0, 0, 0), quantities=np.ones(3, np.float32), session=rows(3, 1),
    )  # fmt: skip
    matrix = matrix_of([shopper, Shopper(now=9)], Kind.PURCHASE, 5)
    np.testing.assert_allclose(matrix.toarray(), [[0, 2.2, 0.6, 1, 0], [0, 0, 0, 0, 0]], rtol=1e-6)


@pytest.mark.parametrize("name", IMPLICIT)
def test_libraries_find_the_taste(name: str) -> None:
    train = two_tastes()
    (ranker,) = ranker_registry.rankers([name], threads=1)
    assert ranker.name == name
    ranker.fit(task(train))
    known = [CustomerHistories(train, train.now).shopper(customer) for customer in range(20)]
    strangers = [Shopper(now=train.now, session=shopper.products[:4]) for shopper in known]
    for shoppers in (known, strangers):
        seen = [np.unique(np.concatenate([each.products, each.session])) for each in shoppers]
        top = ranker.top(shoppers, seen, 5)
        own = [product % 2 == customer % 2 for customer, listed in enumerate(top) for product in listed if product >= 0]
        assert len(own) > 80
        assert np.mean(own) > 0.8
        assert train.n_products - 1 not in top  # nobody ever met it
        assert not any(np.isin(listed, left_out).any() for listed, left_out in zip(top, seen, strict=True))


@pytest.mark.parametrize("name", IMPLICIT)
def test_libraries_take_shoppers_of_whom_nothing_is_known(name: str) -> None:
    (ranker,) = ranker_registry.rankers([name], threads=1)
    ranker.fit(task(two_tastes()))
    assert ranker.top([Shopper(now=0)], [NOTHING], 3).shape == (1, 3)


@pytest.mark.parametrize("name", IMPLICIT)
def test_the_seed_decides(name: str) -> None:
    train = two_tastes()
    shoppers = [CustomerHistories(train, train.now).shopper(customer) for customer in range(10)]
    lists = []
    for _ in range(2):
        (ranker,) = ranker_registry.rankers([name], seed=3, threads=1)
        ranker.fit(task(train))
        lists.append(ranker.top(shoppers, [NOTHING] * 10, 5))
    assert (lists[0] == lists[1]).all()


def test_names() -> None:
    names = ranker_registry.names()
    assert len(set(names)) == len(names)
    assert set(ranker_registry.BASELINES) <= set(ranker_registry.default_names()) <= set(names)
    assert {"ease", "item_knn", "popular"} <= set(names)
    assert [each.name for each in ranker_registry.rankers(["ease", "most_popular", "ease"])] == ["ease", "most_popular"]
    with pytest.raises(InvalidArgument, match=r"algorithm: must be one of .*most_popular.*, got 'als'"):
        ranker_registry.rankers(["als"])


def test_libraries_that_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ranker_registry.missing(ranker_registry.names()) == {}
    monkeypatch.setattr(ranker_registry, "find_spec", lambda name: None)
    assert set(ranker_registry.missing(ranker_registry.names())) == {*IMPLICIT, "tuned_als", "tuned_item_knn"}
    assert ranker_registry.missing(["most_popular"]) == {}
