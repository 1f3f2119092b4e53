"""Complements: for each product the others that are bought with it more often than chance explains."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.product.feature_encoders import Csr
from services.product.topk import Entries, best_per_row, stacked

FloatArray = NDArray[np.float64]


class _Counts(NamedTuple):
    """Which product is in which basket, and in how many baskets each product is."""

    by_product: Csr
    by_basket: Csr
    frequency: NDArray[np.int64]


def complementary_products(
    baskets: NDArray[np.int32],
    products: NDArray[np.int32],
    n_products: int,
    k: int = 50,
    *,
    min_support: int = 3,
    max_basket: int = 200,
    subcategory: NDArray[np.int32] | None = None,
    same_subcategory_weight: float = 0.3,
    eligible: NDArray[np.bool_] | None = None,
    block: int = 2048,
) -> Csr:
    """Return for each product its `k` best complements, in blocks of rows.

    With n_ab baskets holding both products and e = n_a n_b / N expected if they were independent, b scores for a

        (log2(m / (e + ½)) − 3.3 m^−½ − 2 m^−3/2) / log2((N + 1) / m) · √(n_ab / n_a)   where m = n_ab + ½

    The numerator is the lower end of the 95 % interval of the shrunk lift (the information component), so a pair seen
    once or twice does not win; dividing by its largest possible value, as in normalised pointwise mutual information,
    keeps rare pairs from winning by rarity. Lift keeps bestsellers from winning. The root of the confidence prefers,
    among pairs of equal lift, the product that is really in many of these baskets.

    Sources: Norén, Hopstadius & Bate, "Shrinkage observed-to-expected ratios for robust and transparent large-scale
    pattern discovery", 2013, doi:10.1177/0962280211403604; Bouma, "Normalized (pointwise) mutual information in
    collocation extraction", GSCL 2009.

    Parameters
    ----------
    baskets, products
        Shape (lines,), int32: the basket (any number) and the product row of each line. Repeated lines count once;
        lines with a product outside 0 … n_products − 1 are left out.
    n_products
        Number of product rows.
    k
        Most complements a product gets.
    min_support
        Fewest baskets that hold both.
    max_basket
        Baskets with more different products are left out: a wholesaler's order says little about any pair, and costs
        its square.
    subcategory
        Shape (n_products,), int32, codes; negative is unknown. None: all pairs weigh the same.
    same_subcategory_weight
        Factor in [0, 1] on the score of two products of one subcategory, which are rather substitutes or variants.
    eligible
        Shape (n_products,), bool: products that may appear as a complement. None: all may.
    block
        Products that are counted together.

    Returns
    -------
    csr_matrix of shape (n_products, n_products), float32
        Row i holds the complements of product i, **best first** (not sorted by column), scores in (0, 1].

    Raises
    ------
    ValueError
        If lengths differ or a number is out of range.
    """
    _check(baskets, products, k, min_support, same_subcategory_weight)
    counts = _count(baskets, products, n_products, min_support, max_basket)
    frequent = np.flatnonzero(counts.frequency >= min_support)
    parts = []
    for start in range(0, len(frequent), block):
        rows, columns, together = _pairs(counts, frequent[start : start + block], min_support)
        scores = _scores(together, counts.frequency[rows], counts.frequency[columns], counts.by_basket.shape[0])
        if subcategory is not None:
            same = (subcategory[rows] == subcategory[columns]) & (subcategory[rows] >= 0)
            scores[same] *= same_subcategory_weight
        kept = (scores > 0) & (True if eligible is None else eligible[columns])
        parts.append(best_per_row(Entries(rows[kept], columns[kept], scores[kept].astype(np.float32)), k))
    return stacked(parts, n_products)


def _check(
    baskets: NDArray[np.int32], products: NDArray[np.int32], k: int, min_support: int, same_subcategory_weight: float
) -> None:
    if len(baskets) != len(products):
        raise ValueError(f"baskets: must have one entry per line, got {len(baskets)} for {len(products)} products")
    for name, value in (("k", k), ("min_support", min_support)):
        if value < 1:
            raise ValueError(f"{name}: must be positive, got {value}")
    if not 0 <= same_subcategory_weight <= 1:
        raise ValueError(f"same_subcategory_weight: must be from 0 to 1, got {same_subcategory_weight}")


def _count(
    baskets: NDArray[np.int32], products: NDArray[np.int32], n_products: int, min_support: int, max_basket: int
) -> _Counts:
    """Return who is where, with products in fewer than `min_support` baskets and too large baskets emptied."""
    known = (products >= 0) & (products < n_products)
    _, basket = np.unique(baskets[known], return_inverse=True)
    n_baskets = int(basket.max(initial=-1)) + 1
    line = np.unique(basket.astype(np.int64) * n_products + products[known])
    basket, product = np.divmod(line, max(n_products, 1))
    small = np.bincount(basket, minlength=n_baskets)[basket] <= max_basket
    basket, product = basket[small], product[small]
    frequency = np.bincount(product, minlength=n_products)
    kept = frequency[product] >= min_support
    ones = np.ones(int(kept.sum()), dtype=np.int32)
    by_basket = sp.csr_matrix((ones, (basket[kept], product[kept])), shape=(n_baskets, n_products))
    return _Counts(sp.csr_matrix(by_basket.T), by_basket, frequency)


def _pairs(
    counts: _Counts, rows: NDArray[np.int64], min_support: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return row, column and number of common baskets of all pairs with enough of them."""
    together = sp.coo_matrix(counts.by_product[rows] @ counts.by_basket)
    row, column = rows[together.row], together.col.astype(np.int64)
    kept = (together.data >= min_support) & (row != column)
    return row[kept], column[kept], together.data[kept].astype(np.int64)


def _scores(
    together: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64], n_baskets: int
) -> FloatArray:
    """Return the score of pairs by their counts; see `complementary_products`."""
    observed = together + 0.5
    expected = first * (second / max(n_baskets, 1)) + 0.5
    lower = np.log2(observed / expected) - 3.3 * observed**-0.5 - 2.0 * observed**-1.5
    largest = np.log2((n_baskets + 1) / observed)
    return np.asarray(lower / largest * np.sqrt(together / first), dtype=np.float64)
