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
    parts : ndarray of shape (n_algorithms, n_products), float32
        What each gave to each product.
    scores : ndarray of shape (n_products,), float32
        Sum of the parts, 0 to 1; 0 where nobody has an opinion or the product is not allowed.
    """

    names: tuple[str, ...]
    parts: FloatArray
    scores: FloatArray

    def top(self, n: int) -> Rows:
        """Return the rows of the best `n` products with a score above 0, best first; equals by row."""
        rows = np.flatnonzero(self.scores >= _threshold(self.scores, n))
        return rows[np.argsort(-self.scores[rows], kind="stable")][:n].astype(np.int32)

    def contributions(self, product: int) -> dict[str, float]:
        """Return what each algorithm gave to `product`, largest first, without those that gave nothing."""
        parts = {name: float(part) for name, part in zip(self.names, self.parts[:, product], strict=True) if part > 0}
        return dict(sorted(parts.items(), key=lambda item: (-item[1], item[0])))

    def dominant(self, product: int) -> str | None:
        """Return the algorithm that gave most to `product`; None if nobody has an opinion of it."""
        return next(iter(self.contributions(product)), None)


def fuse(
    scores: Mapping[str, FloatArray],
    weights: Mapping[str, float],
    *,
    allowed: Mask | None = None,
    k: float = 20.0,
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
    parts = np.zeros((len(names), n_products), dtype=np.float32)
    total = sum(weights[name] for name in names)
    for part, name in zip(parts, names, strict=True):
        rows, ranks = ranked(scores[name], allowed, depth)
        part[rows] = weights[name] / total * (k + 1.0) / (k + ranks)
    return Fused(names, parts, np.minimum(parts.sum(axis=0), 1.0))


def ranked(scores: FloatArray, allowed: Mask | None, depth: int) -> tuple[Longs, Longs]:
    """Return the rows within the first `depth` ranks and their ranks from 1; equal scores share the better rank."""
    masked = scores if allowed is None else np.where(allowed, scores, np.float32(0.0))
    rows = np.flatnonzero(masked >= _threshold(masked, depth))
    ascending = np.sort(masked[rows])
    better = len(rows) - np.searchsorted(ascending, masked[rows], side="right")
    return rows, better + 1


def _threshold(scores: FloatArray, n: int) -> float:
    """Return the `n`-th largest score, or the smallest positive number if fewer are above 0."""
    positive = scores[scores > 0]
    if len(positive) <= n:
        return float(np.nextafter(np.float32(0.0), np.float32(1.0)))
    return float(np.partition(positive, len(positive) - n)[len(positive) - n])


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
