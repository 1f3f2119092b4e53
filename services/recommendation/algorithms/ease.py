"""EASE within neighbourhoods: predicts each product from its nearest products by one ridge regression per product."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import AnyArray, Csr, FloatArray, Longs, Rows, as_csr
from services.recommendation.algorithms.base import Interactions, Space
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.item_to_item import ItemToItem
from services.recommendation.algorithms.sparse import (
    BLOCK_ROWS,
    evened,
    inverse,
    plain,
    scaled,
    top_k_product,
    top_k_rows,
)
from services.recommendation.algorithms.user_profile import UserProfileMixin
from services.recommendation.algorithms.vector_search import dot
from shared.compiled import compiled


@dataclass(eq=False)
class Ease(UserProfileMixin, ItemToItem):
    """Linear item-to-item autoencoder with a zero diagonal; each product is regressed on its nearest products.

    Let x_j be the preferences of all customers for product j and C the `top_k` neighbours of j by cosine. The weights
    from C to j are (X_Cᵀ X_C + l2 I)⁻¹ X_Cᵀ x_j. If C is the whole catalogue, this is EASE. Time and memory grow
    linearly with the catalogue, while those of EASE grow with its cube and its square. So all products of the long
    tail can be included.

    Sources: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019, doi:10.1145/3308558.3313710; the
    selection of neighbours before the regression: Ning & Karypis, "SLIM: Sparse Linear Methods for Top-N Recommender
    Systems" (fsSLIM), ICDM 2011, doi:10.1109/ICDM.2011.134

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "ease"
    sampled: ClassVar[bool] = True
    space: ClassVar[Space] = {
        "l2": (10.0, 20.0, 50.0, 100.0, 200.0, 500.0),
        "half_life_days": (30.0, 60.0, 120.0, 240.0, 480.0),
        "top_k": (50, 100, 200),
    }

    top_k: int = 100
    """Neighbours per product. The size of the model grows linearly with it, the training time with up to its cube."""
    l2: float = 50.0
    """Ridge weight, in events (the mean square of the preferences is 1). A larger value favours popular products."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(top_k=self.top_k, l2=self.l2)

    def _fit(self, data: Interactions) -> None:
        x = evened(top_k_rows(self._learn_preferences(data), self.max_history))
        self.neighbours = as_csr(explained(x, nearest(x, self.top_k), self.l2).T)


def nearest(x: Csr, k: int) -> Csr:
    """Return the `k` nearest columns of each column by cosine, shape (n, n).

    The values of a row have the order of the cosines but are not the cosines.
    """
    norms = np.sqrt(np.bincount(x.indices, x.data**2, x.shape[1])).astype(np.float32)
    return top_k_product(as_csr(x.T), scaled(x, columns=inverse(norms)), k, drop_diagonal=True)


def explained(x: Csr, near: Csr, l2: float) -> Csr:
    """Regress each column on its neighbours.

    Parameters
    ----------
    x : csr_array of shape (m, n), float32
        Preferences of m customers for n products.
    near : csr_array of shape (n, n)
        Row j has the neighbours of column j.
    l2 : float
        Ridge weight, positive.

    Returns
    -------
    csr_array of shape (n, n), float32
        Row j has the regression weights of the neighbours of column j.
    """
    columns, starts, sources = (
        plain(as_csr(x.T)),
        near.indptr.astype(np.int64),
        near.indices.astype(np.int32, copy=False),
    )

    def solve(start: int) -> FloatArray:
        end = min(start + BLOCK_ROWS, near.shape[0])
        return _ridge(*columns, starts[start : end + 1], sources, start, x.shape[0], l2)

    weights = parallel.each(solve, range(0, near.shape[0], BLOCK_ROWS))
    data = np.concatenate([np.empty(0, np.float32), *weights])
    return as_csr(sp.csr_array((data, near.indices, near.indptr), shape=near.shape))


@compiled
def _ridge(
    indptr: AnyArray,
    indices: AnyArray,
    data: FloatArray,
    starts: AnyArray,
    sources: AnyArray,
    first: int,
    n_customers: int,
    l2: float,
) -> FloatArray:
    """Return the ridge regression weights of consecutive target products, one target after the other.

    Parameters
    ----------
    indptr, indices, data : ndarray
        CSR arrays of the preferences with one row per product: customers and values.
    starts : ndarray of shape (n_targets + 1,)
        Where the sources of each target begin in `sources`.
    sources : ndarray
        The neighbours that each target is regressed on; ascending for each target.
    first : int
        Row of the first target; the other targets are the rows after it.
    n_customers : int
    l2 : float
        Ridge weight, positive.
    """
    weights = np.empty(starts[-1] - starts[0], np.float32)
    widest = 0
    for place in range(len(starts) - 1):
        widest = max(widest, starts[place + 1] - starts[place])
    square = np.empty((widest + 1, widest + 1), np.float32)
    scratch = np.zeros(n_customers, np.int64), np.zeros(n_customers, np.int64), np.empty(n_customers, np.int64)
    products = np.empty(widest + 1, np.int64)
    for place in range(len(starts) - 1):
        begin, end = starts[place], starts[place + 1]
        k = end - begin
        if k:
            products[:k] = sources[begin:end]
            products[k] = first + place
            _fill_square(indptr, indices, data, products[: k + 1], scratch, square)
            _solve(square, k, l2, weights[begin - starts[0] : end - starts[0]])
    return weights


@compiled
def _fill_square(
    indptr: AnyArray,
    indices: AnyArray,
    data: FloatArray,
    products: Longs,
    scratch: tuple[Longs, Longs, Longs],
    square: FloatArray,
) -> None:
    """Write the inner products of the preferences of each pair of `products` to the lower half of `square`.

    Entries are grouped by customer first, so that only values of the same customer are multiplied. `scratch` has three
    arrays of shape (n_customers,): counts (all 0 before and after the call), places, and the customers found.
    """
    counts, places, met = scratch
    n_met = _count(indptr, indices, products, counts, met)
    total = 0
    for customer in met[:n_met]:
        places[customer] = total
        total += counts[customer]
    slots = np.empty(total, np.int32)
    values = np.empty(total, np.float32)
    for slot in range(len(products)):
        square[slot, : slot + 1] = 0.0
        for at in range(indptr[products[slot]], indptr[products[slot] + 1]):
            customer = indices[at]
            slots[places[customer]] = slot
            values[places[customer]] = data[at]
            places[customer] += 1
    for customer in met[:n_met]:
        begin, end = places[customer] - counts[customer], places[customer]
        _add_products(slots[begin:end], values[begin:end], square)
        counts[customer] = 0


@compiled
def _count(indptr: AnyArray, indices: AnyArray, products: Longs, counts: Longs, met: Longs) -> int:
    """Count the products of each customer in `counts`, list the customers in `met` and return their number."""
    n = 0
    for product in products:
        for at in range(indptr[product], indptr[product + 1]):
            customer = indices[at]
            if counts[customer] == 0:
                met[n] = customer
                n += 1
            counts[customer] += 1
    return n


@compiled
def _add_products(slots: Rows, values: FloatArray, square: FloatArray) -> None:
    """Add the product of each pair of values to the lower half of `square`; `slots` are the ascending positions."""
    for left in range(len(slots)):
        for right in range(left + 1):
            square[slots[left], slots[right]] += values[left] * values[right]


@compiled
def _solve(square: FloatArray, k: int, l2: float, weights: FloatArray) -> None:
    """Solve (A + l2 I) w = b by Cholesky's method and write w to `weights`.

    A is the lower half of the first `k` rows of `square`, and b is row `k`. Both are overwritten.
    """
    scale = np.empty(k, np.float32)
    for row in range(k + 1):
        for column in range(min(row, k)):
            rest = square[row, column] - dot(square[row, :column], square[column, :column])
            square[row, column] = rest * scale[column]
        if row < k:
            # without rounding errors a pivot is at least l2, because A has no negative eigenvalue
            pivot = square[row, row] + l2 - dot(square[row, :row], square[row, :row])
            scale[row] = np.float32(1.0) / np.sqrt(max(pivot, l2))
    for row in range(k - 1, -1, -1):
        weights[row] = square[k, row] * scale[row]
        for column in range(row):
            square[k, column] -= weights[row] * square[row, column]
