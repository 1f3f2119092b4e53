"""EASE in neighbourhoods: each product explained by those nearest to it, all of them weighed against each other."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import AnyArray, Csr, FloatArray, Longs, Mask, as_csr
from services.recommendation.algorithms.base import Interactions, Space
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.item_to_item import ItemToItem
from services.recommendation.algorithms.sparse import evened, inverse, ranges, scaled, top_k_product, top_k_rows
from services.recommendation.algorithms.user_profile import UserProfileMixin

TOGETHER = 12
"""Products solved at once: enough to share the multiplication, few enough that what they need stays small."""


@dataclass(eq=False)
class Ease(UserProfileMixin, ItemToItem):
    """Linear item-to-item autoencoder with a zero diagonal, each product solved over its nearest products.

    With x_j the preferences of the customers of product j and C its `top_k` neighbours by cosine, the weights from C
    to j are (X_Cᵀ X_C + l2 I)⁻¹ X_Cᵀ x_j, which is EASE itself where C is the whole catalogue. Time and memory grow
    with the catalogue, not with its cube and square, so that the long tail takes part.

    Sources: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, doi:10.1145/3308558.3313710; the
    selection of neighbours before the regression: Ning & Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender
    Systems" (fsSLIM), ICDM 2011, doi:10.1109/ICDM.2011.134

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "ease"
    space: ClassVar[Space] = {
        "l2": (10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
        "half_life_days": (30.0, 60.0, 120.0, 240.0, 480.0),
        "top_k": (50, 100, 200),
    }

    top_k: int = 100
    """Neighbours that each product is explained by; what is kept grows with it, time with up to its cube."""
    l2: float = 50.0
    """Ridge weight, in events (squares of preferences are 1 in the mean); larger leans towards popular products."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(top_k=self.top_k, l2=self.l2)

    def _fit(self, data: Interactions) -> None:
        x = evened(top_k_rows(self._learn_preferences(data), self.max_history))
        self.neighbours = as_csr(explained(x, nearest(x, self.top_k), self.l2).T)


def nearest(x: Csr, k: int) -> Csr:
    """Return the `k` nearest columns of each column by cosine, shape (n, n); values order, they are no cosines."""
    norms = np.sqrt(np.bincount(x.indices, x.data**2, x.shape[1])).astype(np.float32)
    return top_k_product(as_csr(x.T), scaled(x, columns=inverse(norms)), k, drop_diagonal=True)


def explained(x: Csr, near: Csr, l2: float) -> Csr:
    """Regress each column on its neighbours.

    Parameters
    ----------
    x : csr_array of shape (m, n), float32
    near : csr_array of shape (n, n)
        The neighbours of each column.
    l2 : float
        Ridge weight, positive.

    Returns
    -------
    csr_array of shape (n, n), float32
        Row j has the weights of the columns that explain column j.
    """
    lengths = np.diff(near.indptr)
    targets = np.flatnonzero(lengths)
    order = targets[np.argsort(_leaders(x, near, targets), kind="stable")]
    columns = as_csr(x.T)

    def solve(start: int) -> tuple[FloatArray, Longs]:
        chosen = order[start : start + TOGETHER]
        flat = ranges(near.indptr[chosen].astype(np.int64), lengths[chosen])
        filled = np.arange(lengths[chosen].max()) < lengths[chosen][:, None]
        weights = _ridge(columns, chosen, _padded(near.indices[flat], filled), l2)
        return weights[filled], flat

    data = np.zeros(near.nnz, dtype=np.float32)
    for weights, flat in parallel.each(solve, range(0, len(order), TOGETHER)):
        data[flat] = weights
    return as_csr(sp.csr_array((data, near.indices, near.indptr), shape=near.shape))


def _leaders(x: Csr, near: Csr, targets: Longs) -> Longs:
    """Return the most met neighbour of each target: those who share it share others, which saves multiplications."""
    met = np.bincount(x.indices, minlength=x.shape[1])
    place = np.empty(len(met), dtype=np.int64)
    place[np.argsort(met, kind="stable")] = np.arange(len(met))
    leaders: Longs = np.maximum.reduceat(place[near.indices], near.indptr[targets]) if len(targets) else targets
    return leaders


def _padded(values: AnyArray, filled: Mask) -> Longs:
    table = np.full(filled.shape, -1, dtype=np.int64)
    table[filled] = values
    return table


def _ridge(columns: Csr, targets: Longs, sources: Longs, l2: float) -> FloatArray:
    """Return the weights of `sources` (shape (b, k), -1 for none) for `targets` (shape (b,)), shape (b, k)."""
    known = np.unique(np.append(sources, targets))
    known = known[known >= 0]
    square = _gram(columns, known)
    size = len(known) + 1
    slots = np.where(sources < 0, len(known), np.searchsorted(known, sources))
    left = square.take(slots[:, :, None] * size + slots[:, None, :])
    right = square.take(slots * size + np.searchsorted(known, targets)[:, None])
    diagonal = np.arange(sources.shape[1])
    left[:, diagonal, diagonal] += l2
    weights: FloatArray = np.linalg.solve(left, right[:, :, None])[:, :, 0]
    return weights


def _gram(columns: Csr, known: Longs) -> FloatArray:
    """Return the inner products of the known columns, with one row and column of zeros after them for padding."""
    chosen = columns[known]
    ends = np.append(chosen.indptr, chosen.indptr[-1])
    padded = as_csr(sp.csr_array((chosen.data, chosen.indices, ends), shape=(len(known) + 1, columns.shape[1])))
    return np.asarray((padded @ padded.T).toarray(), dtype=np.float32)
