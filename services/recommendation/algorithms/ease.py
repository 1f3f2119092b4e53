"""EASE: a linear item-to-item autoencoder."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Csr, FloatArray, Rows, as_csr
from services.recommendation.algorithms.base import Interactions, Reason, Shopper, Space
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.modelled import Modelled
from services.recommendation.algorithms.reasons import from_sources, strongest
from services.recommendation.algorithms.sparse import evened, stacked

DENSE_GAIN = 30
"""How many times faster a multiplication is in a dense product than in a sparse one (measured, order of magnitude)."""

BATCH_CUSTOMERS = 4096
MANY = 16
"""Shoppers together for whom all weights are kept in full precision as well: evaluation and training ask thousands."""

Halves = NDArray[np.float16]


@dataclass(eq=False)
class Ease(Modelled):
    """Linear item-to-item autoencoder with a zero diagonal, solved in closed form.

    Solves min ‖X − XB‖² + l2 ‖B‖² with diag(B) = 0 over the most popular products. All of B is kept: on data with long
    histories the small weights matter together (the 200 largest of each product lose up to 16 % of NDCG).

    Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, doi:10.1145/3308558.3313710

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "ease"
    space: ClassVar[Space] = {
        "l2": (50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0),
        "half_life_days": (30.0, 60.0, 120.0, 240.0, 480.0),
    }

    l2: float = 500.0
    """Ridge weight, in events (squares of preferences are 1 in the mean); larger leans towards popular products."""
    max_products: int = 6000
    """Most popular products modelled; time grows with its cube, memory with its square (16 bytes each; kept: 2)."""

    weights: Halves = field(init=False, repr=False)
    """Learned: ndarray of shape (n_kept, n_kept), float16: B, source to target."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(l2=self.l2, max_products=self.max_products)

    def _fit(self, data: Interactions) -> None:
        x = self._learn_preferences(data)
        self._keep(most_popular(x, self.max_products), data.n_products)
        square = gram(evened(as_csr(x[:, self.kept])))
        vars(self).pop("_dense", None)
        self.weights = ease_weights(square, self.l2).astype(np.float16)

    def _score(self, shopper: Shopper) -> FloatArray:
        scores: FloatArray = self._score_many([shopper])[0]
        return scores

    def _score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        tastes = stacked([self._known(shopper)[:2] for shopper in shoppers], len(self.kept))
        if len(shoppers) >= MANY:
            return self._spread(np.maximum(tastes @ self._dense, 0.0))
        met = np.unique(tastes.indices)
        scores = as_csr(tastes[:, met]) @ self.weights[met].astype(np.float32)
        return self._spread(np.maximum(scores, 0.0))

    @cached_property
    def _dense(self) -> FloatArray:
        return self.weights.astype(np.float32)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        slots, values, rows = self._known(shopper)
        slot = self.slots[product]
        if slot < 0:
            return None
        parts = values * self.weights[slots, slot].astype(np.float32)
        return from_sources(shopper, strongest(rows, parts)) if parts.sum() > 0 else None


def most_popular(x: Csr, n: int) -> Rows:
    """Return the columns with the most entries, at most `n` and at least one entry each, ascending."""
    counts = np.bincount(x.indices, minlength=x.shape[1])
    best = np.argsort(-counts, kind="stable")[:n]
    return np.sort(best[counts[best] > 0]).astype(np.int32)


def gram(x: Csr) -> FloatArray:
    """Return the dense Gram matrix XᵀX, by the cheaper of the dense and the sparse way."""
    sparse_cost = float(np.square(np.diff(x.indptr).astype(np.float64)).sum())
    if sparse_cost * DENSE_GAIN < float(x.shape[0]) * x.shape[1] ** 2:
        return np.asarray((x.T @ x).toarray(), dtype=np.float32)
    total = np.zeros((x.shape[1], x.shape[1]), dtype=np.float32)
    for start in range(0, x.shape[0], BATCH_CUSTOMERS):
        batch = x[start : start + BATCH_CUSTOMERS].toarray()
        total += batch.T @ batch
    return total


def ease_weights(square: FloatArray, l2: float) -> FloatArray:
    """Return B from the Gram matrix (overwritten): B[i, j] = −P[i, j] / P[j, j], P = (G + l2 I)⁻¹, zero diagonal."""
    if not len(square):
        return np.zeros((0, 0), dtype=np.float32)
    square[np.diag_indices_from(square)] += l2
    # the matrix is symmetric, so its transpose is the column order that LAPACK works on in place
    factor, _ = scipy.linalg.lapack.spotrf(square.T, lower=0, overwrite_a=1)
    inverse, _ = scipy.linalg.lapack.spotri(factor, lower=0, overwrite_c=1)
    inverse = np.triu(inverse) + np.triu(inverse, 1).T
    weights: FloatArray = -inverse / np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0.0
    return weights
