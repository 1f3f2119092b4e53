"""How well a list holds what was relevant, question by question; the mean over questions is the caller's.

A list is a row of products, best first, -1 where there is nothing more. Gains are binary: a product is relevant or not.
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Longs, Mask, Rows

Values: TypeAlias = NDArray[np.float64]
RecallOver: TypeAlias = Literal["min", "all"]

NAMES = ("recall", "recall_all", "ndcg", "hit_rate", "mrr", "map")
"""Metrics of `measure` with recall over min(k, number of relevant products)."""


def measure(lists: Rows, targets: Sequence[Rows], k: int, *, recall_over: RecallOver = "min") -> dict[str, Values]:
    """Return every metric at `k` of every question.

    Parameters
    ----------
    lists : ndarray of shape (q, at least k), int32
        Rows of the recommended products, best first, -1 where there is nothing more; no product twice in a list.
    targets : sequence of q ndarrays, int32
        Rows of the relevant products of each question, ascending, each once, at least one.
    k : int
        Places of a list that count.
    recall_over : {"min", "all"}
        What `recall` divides by: min(k, number of relevant products), or the number of relevant products. The other
        recall is called `recall_all` or `recall_capped`.

    Returns
    -------
    dict of str to ndarray of shape (q,), float64
        From 0 to 1 each, by the name of the metric.

    Raises
    ------
    ValueError
        If lists and targets differ in number, a list is shorter than `k` or names a product twice, or a question has
        no relevant product.
    """
    found, relevant = hits(_cut(lists, k), targets), counts(targets)
    capped, over_all = recall(found, relevant), recall_all(found, relevant)
    recalls = {"recall": capped, "recall_all": over_all}
    if recall_over == "all":
        recalls = {"recall": over_all, "recall_capped": capped}
    return recalls | {
        "ndcg": ndcg(found, relevant),
        "hit_rate": hit_rate(found),
        "mrr": mrr(found),
        "map": average_precision(found, relevant),
    }


def hits(lists: Rows, targets: Sequence[Rows]) -> Mask:
    """Return which places of the lists hold a relevant product, shape (q, k), for arguments as of `measure`."""
    if len(lists) != len(targets):
        raise ValueError(f"targets: must be as many as the lists, {len(lists)}, got {len(targets)}")
    _require_distinct(lists)
    flat = np.concatenate([np.empty(0, np.int32), *targets])
    width = 1 + max(int(flat.max(initial=0)), int(lists.max(initial=0)))
    # one ascending line of numbers, a stretch of `width` for each question: all look-ups become one binary search
    wanted = np.repeat(np.arange(len(targets)), counts(targets)) * width + flat
    asked = np.arange(len(lists))[:, None] * width + lists
    at = np.searchsorted(wanted, asked)
    found: Mask = np.append(wanted, -1)[at] == asked
    return found & (lists >= 0)


def counts(targets: Sequence[Rows]) -> Longs:
    """Return the number of relevant products of each question. Raises ValueError where there is none."""
    numbers: Longs = np.fromiter(map(len, targets), np.int64, len(targets))
    if not numbers.all():
        raise ValueError(f"targets: question {int(np.argmin(numbers))} has no relevant product")
    return numbers


def recall(found: Mask, relevant: Longs) -> Values:
    """Return hits / min(k, relevant): 1 where the list is as good as a list of its length can be."""
    capped: Values = _total(found) / np.minimum(relevant, found.shape[1])
    return capped


def recall_all(found: Mask, relevant: Longs) -> Values:
    """Return hits / relevant, as most published tables count."""
    over_all: Values = _total(found) / relevant
    return over_all


def hit_rate(found: Mask) -> Values:
    """Return 1 where there is a hit, else 0."""
    return np.minimum(_total(found), 1.0)


def mrr(found: Mask) -> Values:
    """Return 1 / place of the first hit, 0 without a hit among the k.

    Source: Voorhees, "The TREC-8 Question Answering Track Report", TREC 1999.
    """
    reciprocal: Values = hit_rate(found) / (found.argmax(axis=1) + 1)
    return reciprocal


def ndcg(found: Mask, relevant: Longs) -> Values:
    """Return the discounted gain over that of the ideal list of k places: binary gains, discount 1 / log2(place + 1).

    Source: Järvelin & Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 2002,
    doi:10.1145/582415.582418
    """
    k = found.shape[1]
    discount = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.cumsum(discount)[np.minimum(relevant, k) - 1]
    gained: Values = found @ discount / ideal
    return gained


def average_precision(found: Mask, relevant: Longs) -> Values:
    """Return the sum of the precision at each hit / min(k, relevant); its mean over questions is MAP@k.

    Source: Buckley & Voorhees, "Evaluating evaluation measure stability", SIGIR 2000, doi:10.1145/345508.345543; cut
    at k with the divisor of recall, so that a perfect list has 1.
    """
    k = found.shape[1]
    precision = np.cumsum(found, axis=1) / np.arange(1, k + 1)
    summed: Values = np.where(found, precision, 0.0).sum(axis=1) / np.minimum(relevant, k)
    return summed


def _cut(lists: Rows, k: int) -> Rows:
    if not 1 <= k <= lists.shape[1]:
        raise ValueError(f"k: must be from 1 to the length of the lists, {lists.shape[1]}, got {k}")
    return lists[:, :k]


def _total(found: Mask) -> Values:
    total: Values = found.sum(axis=1).astype(np.float64)
    return total


def _require_distinct(lists: Rows) -> None:
    ordered = np.sort(lists, axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        row = int(twice.any(axis=1).argmax())
        raise ValueError(f"lists: list {row} names product {int(ordered[row, 1:][twice[row]][0])} twice")
