"""Session baselines: repeats first, and VSTAN beside a slow twin written from its formulas."""

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind, Shopper
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.evaluation.session_baselines import LastProduct, RepeatFirst, SessionIndex, Vstan
from services.recommendation.holdout.tasks import Protocol, Task
from tests.unit.recommendation.evaluation.synthetic_data import at_random, events, rows, two_tastes, viewed

NOTHING = rows()


def sessions(train: Interactions, *, timed: bool = True) -> Task:
    return Task(train, Protocol.SESSION, Kind.VIEW, timed, every_kind=True)


@pytest.mark.parametrize(("last", "own"), [("after", [6, 2, 4]), ("first", [4, 6, 2]), ("out", [6, 2])])
def test_the_sessions_earlier_products_come_first_the_most_recent_first(last: LastProduct, own: list[int]) -> None:
    train = two_tastes()
    ranker, alone = RepeatFirst(ItemKnn(), last), ItemKnn().fit(train)
    assert ranker.name == "repeat_first_item_knn"
    ranker.fit(sessions(train))
    shopper = Shopper(now=train.now, session=rows(2, 4, 6, 4))
    top = ranker.top([shopper], [NOTHING], 8)[0].tolist()
    assert top[: len(own)] == own
    scores = alone.score(shopper)
    rest = scores[top[len(own) :]]
    assert (np.diff(rest) <= 0).all()
    assert rest.min() >= np.delete(scores, [*top, 4]).max()
    assert 4 in own or 4 not in top


def test_what_is_excluded_stays_out_of_repeats() -> None:
    ranker = RepeatFirst(ItemKnn())
    ranker.fit(sessions(two_tastes()))
    assert 4 not in ranker.top([Shopper(now=9, session=rows(2, 4))], [rows(4)], 3)


def test_the_index_keeps_the_last_place_of_a_product_and_orders_sessions_by_their_end() -> None:
    train = events(
        viewed(0, 3, 10, 7), viewed(0, 1, 11, 7), viewed(0, 3, 12, 7), viewed(1, 1, 1, 9), viewed(1, 2, 2, 9)
    )
    index = SessionIndex.of(train)
    assert index.ended.tolist() == [2, 12]
    assert [index.products[a:b].tolist() for a, b in zip(index.bounds, index.bounds[1:], strict=False)] == [
        [1, 2],
        [1, 3],
    ]
    assert index.places.tolist() == [0, 1, 1, 2]
    assert index.entries.toarray()[1].tolist() == [1.0, 2.0]


def slow_vstan(train: Interactions, running: list[int], decay: float, near: float, idf: float) -> np.ndarray:
    """Return the scores of VSTAN by its formulas, all sessions voting."""
    order = np.argsort(train.times, kind="stable")
    contents: dict[int, dict[int, int]] = {}
    for basket in np.unique(train.baskets):
        own = [int(train.products[at]) for at in order if train.baskets[at] == basket]
        contents[int(basket)] = {product: place for place, product in enumerate(own)}
    trail = list(dict.fromkeys(running[::-1]))[::-1]
    weights = {product: np.exp((place + 1 - len(trail)) / decay) for place, product in enumerate(trail)}
    scores = np.zeros(train.n_products)
    for basket, places in contents.items():
        shared = [product for product in trail if product in places]
        if not shared:
            continue
        age = (train.now - train.times[train.baskets == basket].max()) / DAY
        similarity = sum(weights[each] for each in shared) / np.sqrt(len(trail) * len(places)) * np.exp(-age / 40.0)
        for product, place in places.items():
            distance = abs(place - places[shared[-1]])
            scores[product] += similarity * weights[shared[-1]] * np.exp(-distance / near)
    frequency = np.array([sum(p in places for places in contents.values()) for p in range(train.n_products)])
    return np.asarray(scores * (1 + idf * np.log(len(contents) / np.maximum(frequency, 1))))


@pytest.mark.parametrize("running", [[3], [3, 5, 3, 8], [0, 1, 2, 3, 4, 5]])
def test_vstan_beside_a_slow_twin(running: list[int]) -> None:
    train = at_random(3)
    ranker = Vstan(position_decay=0.9, neighbour_decay=2.0, idf_weight=0.5)
    ranker.fit(sessions(train))
    found = ranker._scores([Shopper(now=60, session=rows(*running))])[0]
    np.testing.assert_allclose(found, slow_vstan(train, running, 0.9, 2.0, 0.5), rtol=1e-9)


def test_vstan_looks_at_the_most_recent_sessions_only() -> None:
    train = events(viewed(0, 1, 10, 1), viewed(0, 2, 11, 1), viewed(1, 1, 20, 2), viewed(1, 3, 21, 2))
    ranker = Vstan(sample=1)
    ranker.fit(sessions(train))
    assert set(ranker.top([Shopper(now=30, session=rows(1))], [rows(1)], 3)[0].tolist()) == {3, -1}


def test_vstan_leaves_out_the_last_product_where_asked() -> None:
    train = at_random(3)
    shopper = Shopper(now=60, session=rows(3, 5))
    for listed in (True, False):
        ranker = Vstan(list_last=listed)
        ranker.fit(sessions(train))
        top = ranker.top([shopper], [NOTHING], 25)[0]
        assert (5 in top) == listed
        assert 3 in top


def test_vstan_of_an_empty_session() -> None:
    ranker = Vstan()
    ranker.fit(sessions(at_random(1)))
    assert ranker.top([Shopper(now=60)], [NOTHING], 3).tolist() == [[-1, -1, -1]]
