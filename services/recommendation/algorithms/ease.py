"""EASE: a linear item-to-item autoencoder."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Csr, FloatArray, Rows, as_csr
from services.recommendation.algorithms.base import Interactions
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.item_to_item import ItemToItem
from services.recommendation.algorithms.sparse import evened, top_k_rows
from services.recommendation.algorithms.taste import Tasting

DENSE_GAIN = 30
"""How many times faster a multiplication is in a dense product than in a sparse one (measured, order of magnitude)."""

BATCH_CUSTOMERS = 4096

Square = NDArray[np.float64]


@dataclass(eq=False)
class Ease(Tasting, ItemToItem):
    """Linear item-to-item autoencoder with a zero diagonal, solved in closed form.

    Solves min ‖X − XB‖² + l2 ‖B‖² with diag(B) = 0 over the most popular products and keeps the largest weights.

    Source: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, doi:10.1145/3308558.3313710

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "ease"

    l2: float = 500.0
    """Ridge weight, in events (squares of preferences are 1 in the mean); larger leans towards popular products."""
    max_products: int = 6000
    """Most popular products modelled; time grows with its cube, memory with its square (24 bytes each)."""
    top_k: int = 200
    """Sources kept for each target product."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(l2=self.l2, max_products=self.max_products, top_k=self.top_k)

    def _fit(self, data: Interactions) -> None:
        x = self._learn_preferences(data)
        popular = most_popular(x, self.max_products)
        square = gram(evened(as_csr(x[:, popular])))
        targets = top_k_rows(as_csr(ease_weights(square, self.l2).T), self.top_k)
        self.neighbours = _spread(targets, popular, data.n_products)


def most_popular(x: Csr, n: int) -> Rows:
    """Return the columns with the most entries, at most `n` and at least one entry each, ascending."""
    counts = np.bincount(x.indices, minlength=x.shape[1])
    best = np.argsort(-counts, kind="stable")[:n]
    return np.sort(best[counts[best] > 0]).astype(np.int32)


def gram(x: Csr) -> Square:
    """Return the dense Gram matrix XᵀX, by the cheaper of the dense and the sparse way."""
    sparse_cost = float(np.square(np.diff(x.indptr).astype(np.float64)).sum())
    if sparse_cost * DENSE_GAIN < float(x.shape[0]) * x.shape[1] ** 2:
        return np.asarray((x.T @ x).toarray(), dtype=np.float64)
    total = np.zeros((x.shape[1], x.shape[1]), dtype=np.float64)
    for start in range(0, x.shape[0], BATCH_CUSTOMERS):
        batch = x[start : start + BATCH_CUSTOMERS].toarray()
        total += batch.T @ batch
    return total


def ease_weights(square: Square, l2: float) -> FloatArray:
    """Return B from the Gram matrix (overwritten): B[i, j] = −P[i, j] / P[j, j], P = (G + l2 I)⁻¹, zero diagonal."""
    if not len(square):
        return np.zeros((0, 0), dtype=np.float32)
    square[np.diag_indices_from(square)] += l2
    factor, _ = scipy.linalg.lapack.dpotrf(square, lower=0, overwrite_a=1)
    inverse, _ = scipy.linalg.lapack.dpotri(factor, lower=0, overwrite_c=1)
    inverse = np.triu(inverse) + np.triu(inverse, 1).T
    weights: FloatArray = (-inverse / np.diag(inverse)).astype(np.float32)
    weights[np.diag_indices_from(weights)] = 0.0
    return weights


def _spread(targets: Csr, popular: Rows, n_products: int) -> Csr:
    """Return (target, source) weights among `popular` as (source, target) weights among all products."""
    coo = targets.tocoo()
    at = (popular[coo.col], popular[coo.row])
    return as_csr(sp.coo_array((coo.data, at), shape=(n_products, n_products)))
