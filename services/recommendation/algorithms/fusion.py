"""Fusion: one ranking from the scores of several algorithms."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.checks import require_positive


@dataclass(frozen=True, eq=False)
class Fused:
    """Fused scores and what each algorithm gave.

    Parameters
    ----------
    names : tuple of str
        Algorithms that took part.
    rows : ndarray of shape (n_candidates,), int64
        Products that any of them proposes, ascending.
    parts : ndarray of shape (n_algorithms, n_candidates), float32
        What each gave to each of these.
    scores : ndarray of shape (n_products,), float32
        Sum of the parts, 0 to 1; 0 where nobody has an opinion or the product is not allowed.
    """

    names: tuple[str, ...]
    rows: Longs
    parts: FloatArray
    scores: FloatArray

    def top(self, n: int) -> Rows:
        """Return the rows of the best `n` products with a score above 0, best first; equals by row."""
        best = self.rows[np.argsort(-self.scores[self.rows], kind="stable")[:n]]
        return best[self.scores[best] > 0].astype(np.int32)

    def contributions(self, product: int) -> dict[str, float]:
        """Return what each algorithm gave to `product`, largest first, without those that gave nothing."""
        column = np.flatnonzero(self.rows == product)
        parts = zip(self.names, self.parts[:, column].sum(axis=1), strict=True)
        given = {name: float(part) for name, part in parts if part > 0}
        return dict(sorted(given.items(), key=lambda item: (-item[1], item[0])))

    def dominant(self, product: int) -> str | None:
        """Return the algorithm that gave most to `product`; None if nobody has an opinion of it."""
        return next(iter(self.contributions(product)), None)


def fuse(
    scores: Mapping[str, FloatArray],
    weights: Mapping[str, float],
    *,
    allowed: Mask | None = None,
    k: float = 10.0,
    depth: int = 1000,
) -> Fused:
    """Fuse by weighted reciprocal rank: Σ weight · (k + 1) / (k + rank) / Σ weight.

    Only ranks count, so it does not matter how differently the algorithms scale their scores, and a product that
    several propose gains from each. Products with equal scores share a rank. An algorithm without a weight, or with
    weight 0, takes no part.

    Source: Cormack, Clarke & Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank learning
    methods", SIGIR 2009, doi:10.1145/1571941.1572114

    Parameters
    ----------
    scores : mapping of name to ndarray of shape (n_products,), float32
        Scores as `Algorithm.score` gives them.
    weights : mapping of name to float
        Weights, not negative; they need not add up to 1.
    allowed : ndarray of shape (n_products,), bool, optional
        Products that may be shown. The others are left out before ranking and get 0.
    k : float
        Flattens the ranking: at rank k + 2 a product gets about half of what the first gets.
    depth : int
        Ranks of each algorithm that count.

    Raises
    ------
    ValueError
        If there are no scores, lengths differ, a weight is negative or not finite, or `k` or `depth` is not positive.
    """
    require_positive(k=k, depth=depth)
    n_products = _common_length(scores)
    names = tuple(sorted(name for name in scores if _weight(weights, name) > 0))
    total = sum(weights[name] for name in names)
    proposals = [ranked(scores[name], allowed, depth) for name in names]
    rows, slots = _union([rows for rows, _ in proposals], n_products)
    parts = np.zeros((len(names), len(rows)), dtype=np.float32)
    for part, name, (own, ranks) in zip(parts, names, proposals, strict=True):
        part[slots[own]] = weights[name] / total * (k + 1.0) / (k + ranks)
    fused = np.zeros(n_products, dtype=np.float32)
    fused[rows] = np.minimum(parts.sum(axis=0), 1.0)
    return Fused(names, rows, parts, fused)


def ranked(scores: FloatArray, allowed: Mask | None, depth: int) -> tuple[Longs, Longs]:
    """Return the rows within the first `depth` ranks and their ranks from 1; equal scores share the better rank."""
    proposed = scores > 0 if allowed is None else (scores > 0) & allowed
    rows = np.flatnonzero(proposed)
    values = scores[rows]
    if len(values) > depth:
        kept = values >= np.partition(values, len(values) - depth)[len(values) - depth]
        rows, values = rows[kept], values[kept]
    better = len(values) - np.searchsorted(np.sort(values), values, side="right")
    return rows, better + 1


def _union(proposals: list[Longs], n_products: int) -> tuple[Longs, Longs]:
    """Return the rows in any proposal, ascending, and for each product its place among them."""
    proposed = np.zeros(n_products, dtype=bool)
    for rows in proposals:
        proposed[rows] = True
    union = np.flatnonzero(proposed)
    slots = np.zeros(n_products, dtype=np.int64)
    slots[union] = np.arange(len(union))
    return union, slots


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
