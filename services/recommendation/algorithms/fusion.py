"""Rank fusion: combines the scores of several algorithms into one ranking."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.radix_sort import falling_keys, sort_places
from shared.compiled import compiled

FLATNESS = 10.0
"""Default of `k`."""
DEPTH = 1000
"""Default of `depth`."""
TINY = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, eq=False)
class Fused:
    """Fused scores and the contribution of each algorithm.

    Parameters
    ----------
    names : tuple of str
        Algorithms with a weight above 0.
    parts : ndarray of shape (n_algorithms, n_products), float32
        Contribution of each algorithm to the score of each product.
    scores : ndarray of shape (n_products,), float32
        Sum of the contributions, 0 to 1; 0 if no algorithm has a score or the product is not allowed.
    """

    names: tuple[str, ...]
    parts: FloatArray
    scores: FloatArray

    def top(self, n: int) -> Rows:
        """Return the rows of the best `n` products with a score above 0, best first; ties are ordered by row."""
        best = np.argsort(-self.scores, kind="stable")[:n]
        return best[self.scores[best] > 0].astype(np.int32)

    def contributions(self, product: int) -> dict[str, float]:
        """Return the contribution of each algorithm to the score of `product`, largest first, without zeros."""
        return self.contributions_of(np.array([product]))[0]

    def contributions_of(self, products: Rows | Longs) -> list[dict[str, float]]:
        """Return the result of `contributions` for each product."""
        by_name = sorted(range(len(self.names)), key=self.names.__getitem__)
        names, parts = [self.names[place] for place in by_name], self.parts[by_name][:, products]
        order = np.argsort(-parts, axis=0, kind="stable").T.tolist()
        return [
            {names[place]: row[place] for place in falling if row[place] > 0.0}
            for falling, row in zip(order, parts.T.tolist(), strict=True)
        ]


def fuse(
    scores: Mapping[str, FloatArray],
    weights: Mapping[str, float],
    *,
    allowed: Mask | None = None,
    k: float = FLATNESS,
    depth: int = DEPTH,
) -> Fused:
    """Fuse by weighted reciprocal rank: score = Σ weight · (k + 1) / (k + rank) / Σ weight.

    Only ranks count, so the algorithms may scale their scores differently. A product that several algorithms score
    gets a contribution from each. Products with equal scores share a rank. An algorithm without a weight or with
    weight 0 is ignored.

    Source: Cormack, Clarke & Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning
    methods", SIGIR 2009, doi:10.1145/1571941.1572114

    Parameters
    ----------
    scores : mapping of name to ndarray of shape (n_products,), float32
        Scores as `Algorithm.score` returns them.
    weights : mapping of name to float
        Weights, not negative; they need not add up to 1.
    allowed : ndarray of shape (n_products,), bool, optional
        Products that may be shown. The others are removed before ranking and get 0.
    k : float
        A larger value makes contributions fall more slowly with rank: rank k + 2 gets half of what rank 1 gets.
    depth : int
        Ranks beyond this contribute 0.

    Raises
    ------
    ValueError
        If there are no scores, lengths differ, a weight is negative or not finite, or `k` or `depth` is not positive.
    """
    n_products = _common_length(scores)
    table = np.empty((len(scores), n_products), np.float32)
    for row, values in zip(table, scores.values(), strict=True):
        row[:] = values if allowed is None else np.where(allowed, values, 0.0)
    return fuse_table(tuple(scores), table, weights, k=k, depth=depth)


def fuse_table(
    names: tuple[str, ...],
    scores: FloatArray,
    weights: Mapping[str, float],
    *,
    k: float = FLATNESS,
    depth: int = DEPTH,
) -> Fused:
    """Fuse like `fuse`, with the scores of all algorithms in one array.

    Parameters
    ----------
    names : tuple of str
        The algorithm of each row of `scores`.
    scores : ndarray of shape (n_names, n_products), float32
    weights : mapping of name to float
    k, depth
        As for `fuse`.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or `k` or `depth` is not positive.
    """
    require_positive(k=k, depth=depth)
    taking_part = sorted((name, place) for place, name in enumerate(names) if _weight(weights, name) > 0)
    chosen = tuple(name for name, _ in taking_part)
    places = np.array([place for _, place in taking_part], np.int64)
    shares = np.array([weights[name] for name in chosen], np.float64)
    parts = reciprocal_ranks(scores, places, shares / max(shares.sum(), TINY), k, depth)
    return Fused(chosen, parts, np.minimum(parts.sum(axis=0), np.float32(1.0)))


@compiled
def reciprocal_ranks(scores: FloatArray, places: Longs, weights: FloatArray, k: float, depth: int) -> FloatArray:
    """Return weight · (k + 1) / (k + rank) for each entry of the rows `places` of `scores`.

    In each row the entries above 0 are ranked from 1, the largest first. Equal entries share the better rank. Other
    entries and ranks beyond `depth` get 0. The result has shape (len(places), n_products); `weights` has an entry for
    each of `places`.
    """
    n = scores.shape[1]
    parts = np.zeros((len(places), n), np.float32)
    scored = np.empty(n, np.int64)
    for row in range(len(places)):
        values = scores[places[row]]
        count = 0
        for i in range(n):
            if values[i] > 0.0:
                scored[count] = i
                count += 1
        sort_places(falling_keys(values), scored[:count])
        rank = 1
        for i in range(count):
            if i > 0 and values[scored[i]] < values[scored[i - 1]]:
                rank = i + 1
            if rank > depth:
                break
            parts[row, scored[i]] = weights[row] * (k + 1.0) / (k + rank)
    return parts


def _common_length(scores: Mapping[str, FloatArray]) -> int:
    lengths = {name: len(array) for name, array in scores.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"scores: must be at least one array, all of one length, got {lengths}")
    return next(iter(lengths.values()))


def _weight(weights: Mapping[str, float], name: str) -> float:
    weight = weights.get(name, 0.0)
    if not 0.0 <= weight < float("inf"):
        raise ValueError(f"weights[{name!r}]: must be finite and not negative, got {weight}")
    return weight
