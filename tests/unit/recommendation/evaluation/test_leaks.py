"""Nothing of the answers reaches the rankings: in data of two tastes, and whatever the algorithm."""

from dataclasses import replace

import numpy as np
import pytest

from services.recommendation.algorithms.base import Algorithm, Interactions, Kind
from services.recommendation.algorithms.ease import Ease
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.holdout.metrics import measure
from services.recommendation.holdout.protocols import eval_cases
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
from services.recommendation.holdout.topk import AlgorithmRanker
from tests.unit.recommendation.evaluation.synthetic_data import DAY, bought, events, two_tastes

K = 5
CUTOFF = 90 * DAY
N_PRODUCTS = 40
FUTURE = N_PRODUCTS
"""A product that only the test has."""

BY_CONTENT = {"content", "similar", "complementary", "new_arrivals"}
COLLABORATIVE = sorted(set(BY_NAME) - BY_CONTENT)


def train_and_test() -> tuple[Interactions, Interactions]:
    """Train: eight of the twenty products of one's taste. Test: all others of it, and the product of the future."""
    train = two_tastes()
    had = set(zip(train.customers.tolist(), train.products.tolist(), strict=True))
    later = [
        bought(customer, product, CUTOFF + 1)
        for customer in range(train.n_customers)
        for product in (*range(customer % 2, N_PRODUCTS, 2), FUTURE)
        if (customer, product) not in had
    ]
    return train, events(*later, n_customers=train.n_customers, n_products=train.n_products)


def asked(train: Interactions, test: Interactions) -> list[EvalCase]:
    return eval_cases(Protocol.TOP_N_DISCOVERY, train, test, target=Kind.PURCHASE, exclude_seen=True, cutoff=CUTOFF)


def listed(algorithm: Algorithm, train: Interactions, found: list[EvalCase]) -> np.ndarray:
    ranker = AlgorithmRanker(algorithm)
    ranker.fit(Task(train, Protocol.TOP_N_DISCOVERY, exclude_seen=True))
    return ranker.top([question.shopper for question in found], [question.excluded for question in found], K)


@pytest.mark.parametrize("algorithm", [ItemKnn(), Ease(l2=5.0)], ids=lambda algorithm: algorithm.name)
def test_shuffled_labels_drop_to_chance(algorithm: Algorithm):
    train, test = train_and_test()
    found = asked(train, test)
    lists = listed(algorithm, train, found)
    right = measure(lists, [question.targets for question in found], K)

    owners = np.random.default_rng(0).permutation(train.n_customers).astype(np.int32)
    shuffled = asked(train, replace(test, customers=owners[test.customers]))
    assert [question.customer for question in shuffled] == [question.customer for question in found]
    np.testing.assert_array_equal(listed(algorithm, train, shuffled), lists)  # the lists do not know the answers
    chance = measure(lists, [question.targets for question in shuffled], K)

    # by chance: so many of the products that may be listed are relevant
    share = [len(question.targets) / (N_PRODUCTS - len(question.excluded)) for question in shuffled]
    for name in ("recall", "ndcg"):
        assert right[name].mean() > 0.95
        assert chance[name].mean() == pytest.approx(np.mean(share), abs=0.08)


@pytest.mark.parametrize("name", COLLABORATIVE)
def test_a_product_of_the_future_is_in_no_list(name: str):
    train, test = train_and_test()
    found = asked(train, test)
    lists = listed(BY_NAME[name](), train, found)
    assert FUTURE not in lists
    assert all(FUTURE not in question.targets for question in found)
    algorithm = BY_NAME[name]().fit(train)
    assert all(algorithm.score(question.shopper)[FUTURE] == 0.0 for question in found[:20])


def test_a_shopper_knows_nothing_of_the_test():
    train, test = train_and_test()
    for question in asked(train, test):
        assert question.shopper.times.max() < CUTOFF
        assert not np.isin(question.shopper.products, question.targets).any()
