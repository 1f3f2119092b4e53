"""Substitutes: for each product the most similar others, by cosine of their embeddings."""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.product.blocks import Csr, FloatArray

GROUP = 64
"""Columns whose maximum is taken together when looking for a row's best."""


def similar_products(
    embeddings: FloatArray,
    category: NDArray[np.int32] | None = None,
    k: int = 50,
    *,
    same_category_bonus: float = 0.1,
    eligible: NDArray[np.bool_] | None = None,
    block: int = 256,
) -> Csr:
    """Return for each product its `k` best substitutes, exactly, in blocks of rows.

    The score is the cosine, plus a bonus if both are of one category; only products with a positive cosine or a
    shared category qualify. Memory beyond the result is about `block` · n · 5 bytes.

    Parameters
    ----------
    embeddings
        Shape (n, d), float32, rows of length 1 or zero. A zero row has no substitutes and is none.
    category
        Shape (n,), int32, codes; negative is unknown and shares its category with nothing. None: no bonus.
    k
        Most substitutes a product gets.
    same_category_bonus
        Added to the cosine of two products of one category, in cosine units; not negative.
    eligible
        Shape (n,), bool: products that may appear as a substitute. Every product gets substitutes. None: all may.
    block
        Rows that are scored together.

    Returns
    -------
    csr_matrix of shape (n, n), float32
        Row i holds the scores of the substitutes of product i, **best first** (not sorted by column), equal scores by
        row number. Never the product itself.

    Raises
    ------
    ValueError
        If a shape, `k`, `block` or the bonus is out of range.
    """
    n = len(embeddings)
    codes = np.full(n, -1, dtype=np.int32) if category is None else category
    _check(n, codes, eligible, k, block, same_category_bonus)
    order = np.argsort(codes, kind="stable")
    known = np.any(embeddings != 0, axis=1)
    columns = order[known[order] & (True if eligible is None else eligible[order])]
    rows = order[known[order]]
    found = [
        _best_of_block(embeddings, codes, rows[start : start + block], columns, k, np.float32(same_category_bonus))
        for start in range(0, len(rows), block)
    ]
    return _stacked(found, n)


def _check(
    n: int, codes: NDArray[np.int32], eligible: NDArray[np.bool_] | None, k: int, block: int, bonus: float
) -> None:
    if len(codes) != n:
        raise ValueError(f"category: must have one code per product, got {len(codes)} for {n} products")
    if eligible is not None and len(eligible) != n:
        raise ValueError(f"eligible: must have one entry per product, got {len(eligible)} for {n} products")
    for name, value in (("k", k), ("block", block)):
        if value < 1:
            raise ValueError(f"{name}: must be positive, got {value}")
    if bonus < 0:
        raise ValueError(f"same_category_bonus: must not be negative, got {bonus}")


def _best_of_block(
    embeddings: FloatArray,
    codes: NDArray[np.int32],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    k: int,
    bonus: np.float32,
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    """Return row, column and score of the best substitutes of `rows`; both `rows` and `columns` are in code order."""
    width = -(-len(columns) // GROUP) * GROUP
    scores = np.zeros((len(rows), width), dtype=np.float32)
    np.matmul(embeddings[rows], embeddings[columns].T, out=scores[:, : len(columns)])
    _add_bonus(scores, codes[rows], codes[columns], bonus)
    _forbid_itself(scores, rows, columns)
    row, column = _candidates(scores, k)
    return _k_best(rows[row], columns[column], scores[row, column], k)


def _add_bonus(
    scores: FloatArray, row_codes: NDArray[np.int32], column_codes: NDArray[np.int32], bonus: np.float32
) -> None:
    """Add the bonus where codes agree. Codes are sorted, so each code is one rectangle of `scores`."""
    for code in np.unique(row_codes[row_codes >= 0]):
        top, bottom = np.searchsorted(row_codes, [code, code + 1])
        left, right = np.searchsorted(column_codes, [code, code + 1])
        scores[top:bottom, left:right] += bonus


def _forbid_itself(scores: FloatArray, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> None:
    by_product = np.argsort(columns)
    place = np.searchsorted(columns, rows, sorter=by_product)
    place = by_product[np.minimum(place, len(columns) - 1)] if len(columns) else place
    present = np.flatnonzero(columns[place] == rows) if len(columns) else np.empty(0, dtype=np.int64)
    scores[present, place[present]] = 0.0


def _candidates(scores: FloatArray, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places of positive scores that include each row's `k` best.

    The k-th largest of the maxima of groups is a lower bound of the k-th largest score, so one pass of maxima replaces a
    selection over the whole row.
    """
    maxima = scores.reshape(len(scores), -1, GROUP).max(axis=2)
    bound = np.zeros(len(scores), dtype=np.float32)
    if maxima.shape[1] > k:
        bound = np.maximum(np.partition(maxima, -k, axis=1)[:, -k], 0.0)
    row, group = np.nonzero((maxima >= bound[:, None]) & (maxima > 0.0))
    inside = scores.reshape(len(scores), -1, GROUP)[row, group]
    entry, offset = np.nonzero((inside >= bound[row][:, None]) & (inside > 0.0))
    return row[entry], group[entry] * GROUP + offset


def _k_best(
    rows: NDArray[np.int64], columns: NDArray[np.int64], scores: FloatArray, k: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], FloatArray]:
    order = np.lexsort((columns, -scores, rows))
    rows, columns, scores = rows[order], columns[order], scores[order]
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]]) if len(rows) else rows
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    kept = rank < k
    return rows[kept], columns[kept], scores[kept]
