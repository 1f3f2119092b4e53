"""Complements: for each product, the products that are bought together with it more often than by chance."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.product.feature_encoders import Csr
from services.product.topk import Entries, best_per_row, stacked

FloatArray = NDArray[np.float64]


class _Counts(NamedTuple):
    """Incidence matrices of products and baskets, and the number of baskets of each product."""

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
    """Return the `k` best complements of each product, computed in blocks of rows.

    Let N be the number of baskets, n_a and n_b the numbers of baskets with product a and with product b, n_ab the
    number with both, and e = n_a n_b / N the number expected if they were independent. The score of b for a is

        (log2(m / (e + ½)) − 3.3 m^−½ − 2 m^−3/2) / log2((N + 1) / m) · √(n_ab / n_a)   where m = n_ab + ½

    The numerator is the lower end of the 95 % interval of the shrunk lift (the information component), so pairs seen
    once or twice get low scores. It is divided by its largest possible value, as in normalised pointwise mutual
    information, so that rare pairs get no high score for rarity alone. The lift lowers the scores of bestsellers. The
    square root of the confidence n_ab / n_a prefers, among pairs of equal lift, products that are in many of the
    baskets with a.

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
        Largest number of complements per product.
    min_support
        Smallest number of baskets with both products.
    max_basket
        Lines of baskets with more distinct products are left out: a wholesaler's order says little about any pair, and
        its cost grows with the square of its size. Such baskets still count in N.
    subcategory
        Shape (n_products,), int32, codes; negative is unknown. With None all pairs have the factor 1.
    same_subcategory_weight
        Factor in [0, 1] of the score of two products of the same subcategory, which are rather substitutes or variants.
    eligible
        Shape (n_products,), bool: products that may appear as a complement. With None all may.
    block
        Number of products that are counted together.

    Returns
    -------
    csr_matrix of shape (n_products, n_products), float32
        Row i has the complements of product i, **best first** (not sorted by column), with scores in (0, 1].

    Raises
    ------
    ValueError
        If the lengths differ or a number is out of range.
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
    """Return the counts without lines of baskets that are too large, or of products in too few baskets."""
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
    """Return the row, the column and the number of common baskets of all pairs with at least `min_support` of them."""
    together = sp.coo_matrix(counts.by_product[rows] @ counts.by_basket)
    row, column = rows[together.row], together.col.astype(np.int64)
    kept = (together.data >= min_support) & (row != column)
    return row[kept], column[kept], together.data[kept].astype(np.int64)


def _scores(
    together: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64], n_baskets: int
) -> FloatArray:
    """Return the scores of pairs from n_ab, n_a, n_b and N; see `complementary_products`."""
    observed = together + 0.5
    expected = first * (second / max(n_baskets, 1)) + 0.5
    lower = np.log2(observed / expected) - 3.3 * observed**-0.5 - 2.0 * observed**-1.5
    largest = np.log2((n_baskets + 1) / observed)
    return np.asarray(lower / largest * np.sqrt(together / first), dtype=np.float64)
