"""The counting rules, against slow obvious twins that take one shopper and one product at a time.

Scores are distinct here: a tie counts against the ranking in the rules, and is settled by chance in our lists.
"""

from math import log2

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.holdout.metrics import measure
from services.recommendation.holdout.protocols import eval_cases
from services.recommendation.holdout.tasks import Protocol
from services.recommendation.holdout.topk import top_k
from tests.unit.recommendation.evaluation.synthetic_data import at_random

K = 6


def ours(
    protocol: Protocol, train: Interactions, test: Interactions, scores: np.ndarray, **how: bool
) -> dict[str, float]:
    asked = eval_cases(
        protocol, train, test, target=Kind.PURCHASE, cutoff=60, exclude_seen=how.get("exclude_seen", False)
    )
    own = scores[[question.customer for question in asked]]
    listed = top_k(own, [question.excluded for question in asked], K)
    found = measure(listed, [question.targets for question in asked], K)
    return {name: float(values.mean()) for name, values in found.items()} | {"n": len(asked)}


def train_and_test(seed: int) -> tuple[Interactions, Interactions, np.ndarray]:
    """Purchases before and after, and a score of every product for every customer, none for products not in train."""
    train, test = at_random(seed), at_random(seed + 50)
    train = train.where((train.kinds == Kind.PURCHASE) & (train.products < 22) & (train.customers < 18))
    test = test.where(test.kinds == Kind.PURCHASE)
    rng = np.random.default_rng(seed)
    scores = 1 + rng.permutation(train.n_customers * train.n_products).reshape(train.n_customers, -1).astype(float)
    scores[:, ~np.isin(np.arange(train.n_products), train.products)] = 0
    return train, test, scores


def bought_by(data: Interactions, customer: int) -> set[int]:
    return set(data.products[data.customers == customer].tolist())


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("exclude_seen", [False, True])
def test_top_n(seed: int, exclude_seen: bool):
    train, test, scores = train_and_test(seed)
    catalogue = set(train.products.tolist())
    recalls, over_all, gains = [], [], []
    for customer in range(train.n_customers):
        seen = bought_by(train, customer)
        relevant = bought_by(test, customer) & catalogue
        if exclude_seen:
            relevant -= seen
        if not seen or not relevant:
            continue
        candidates = catalogue - seen if exclude_seen else catalogue
        best = sorted(candidates, key=lambda product: -scores[customer, product])[:K]
        hits = [place for place, product in enumerate(best) if product in relevant]
        recalls.append(len(hits) / min(K, len(relevant)))
        over_all.append(len(hits) / len(relevant))
        ideal = sum(1 / log2(place + 2) for place in range(min(K, len(relevant))))
        gains.append(sum(1 / log2(place + 2) for place in hits) / ideal)
    found = ours(Protocol.TOP_N, train, test, scores, exclude_seen=exclude_seen)
    assert found["n"] == len(recalls) > 5
    assert found["recall"] == pytest.approx(np.mean(recalls))
    assert found["recall_all"] == pytest.approx(np.mean(over_all))
    assert found["ndcg"] == pytest.approx(np.mean(gains))


@pytest.mark.parametrize("seed", range(8))
def test_last_item(seed: int):
    """One target a customer: its rank is the number of products, none of them seen, that score at least as much."""
    train, test, scores = train_and_test(seed)
    found = ours(Protocol.NEXT_ITEM, train, test, scores, exclude_seen=True)
    hits, gains, reciprocals = [], [], []
    for customer in range(train.n_customers):
        seen = bought_by(train, customer)
        own = np.flatnonzero(test.customers == customer)
        if not seen or not len(own):
            continue
        target = int(test.products[min(own, key=lambda event: test.times[event])])
        if target in seen or target not in train.products:
            continue
        rivals = [product for product in set(train.products.tolist()) - seen if product != target]
        rank = sum(bool(scores[customer, product] >= scores[customer, target]) for product in rivals)
        hits.append(rank < K)
        gains.append(1 / log2(rank + 2) if rank < K else 0)
        reciprocals.append(1 / (rank + 1) if rank < K else 0)
    assert found["n"] == len(hits) > 2
    assert found["hit_rate"] == found["recall"] == pytest.approx(np.mean(hits))
    assert found["ndcg"] == pytest.approx(np.mean(gains))
    assert found["mrr"] == found["map"] == pytest.approx(np.mean(reciprocals))
