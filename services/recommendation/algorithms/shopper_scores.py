"""The scores of one shopper in sparse form, from which the top k products and the scores of given products are read.

Three forms cover all algorithms: scores of few products; scores of all products that many shoppers share, stored in
sorted order; and inner products with the vectors of all products.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Mask, Rows
from services.recommendation.algorithms.largest import first_allowed, largest_allowed, largest_blended
from services.recommendation.algorithms.row_steps import SparseMatrix, row_weights
from services.recommendation.algorithms.row_sums import add_rows, pick, take_sums
from services.recommendation.algorithms.vector_search import (
    dots,
    largest_dots,
    largest_of_blocks,
    largest_products,
    lengths_of,
)
from services.recommendation.algorithms.workspace import workspace

NO_ROWS, NO_VALUES = np.empty(0, np.int32), np.empty(0, np.float32)


class ShopperScores(Protocol):
    """The scores of all products by one algorithm for one shopper. Scores are positive; 0 means no score."""

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        """Return the `k` allowed products with the largest scores, and these scores, largest first.

        Parameters
        ----------
        k : int
            At least 1.
        allowed : ndarray of shape (n_products,), bool

        Returns
        -------
        rows : ndarray of shape (at most k,), int32
        scores : ndarray of the same shape, float32
        """
        ...

    def at(self, rows: Rows) -> FloatArray:
        """Return the scores of the given products (distinct rows), shape (len(rows),), float32; 0 means no score."""
        ...


@dataclass(frozen=True, eq=False)
class FewScores:
    """Scores of few products; all other products have no score.

    Parameters
    ----------
    rows : ndarray of shape (n,), int32
        Distinct products, ascending.
    values : ndarray of shape (n,), float32
        Their scores, positive.
    n_products : int
        Number of all products.
    """

    rows: Rows
    values: FloatArray
    n_products: int

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        return largest_allowed(self.rows, self.values, allowed, k)

    def at(self, rows: Rows) -> FloatArray:
        return pick(self.rows, self.values, rows)

    @classmethod
    def of_rows(cls, matrix: SparseMatrix, rows: AnyArray, weights: AnyArray, least: float = 0.0) -> "FewScores":
        """Return the weighted sum of the given rows of `matrix`, without sums below `least` or not above 0."""
        n = matrix.shape[1]
        scratch = workspace(n)
        weights = row_weights(matrix, rows, weights)
        add_rows(matrix.indptr, matrix.indices, matrix.data, rows, weights, scratch.sums, scratch.met)
        return cls(*take_sums(scratch.sums, scratch.met, least), n)


@dataclass(frozen=True, eq=False)
class OrderedScores:
    """Scores of all products and their sorted order; many shoppers share both.

    Parameters
    ----------
    values : ndarray of shape (n_products,), float32
    order : ndarray of shape (n_products,), int32
        All products by falling score.
    """

    values: FloatArray
    order: Rows

    @classmethod
    def of(cls, values: FloatArray) -> "OrderedScores":
        """Return the scores `values` with their sorted order."""
        return cls(values, np.argsort(-values, kind="stable").astype(np.int32))

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        rows = first_allowed(self.order, self.values, allowed, k)
        return rows, self.values[rows]

    def at(self, rows: Rows) -> FloatArray:
        return self.values[rows]


@dataclass(frozen=True, eq=False)
class BlendedScores:
    """A multiple of the scores of all products, plus the scores of few products.

    Parameters
    ----------
    base : OrderedScores
        Scores of all products.
    factor : float
        Factor of `base`, not negative.
    near : FewScores
        Scores that are added for few products.
    """

    base: OrderedScores
    factor: float
    near: FewScores

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        near = self.near
        sums = workspace(near.n_products).sums
        return largest_blended(self.base.order, self.base.values, self.factor, near.rows, near.values, sums, allowed, k)

    def at(self, rows: Rows) -> FloatArray:
        return np.float32(self.factor) * self.base.at(rows) + self.near.at(rows)


@dataclass(frozen=True, eq=False)
class ProductVectors:
    """The vectors of products, with the arrays that the exact top-k search reads.

    Parameters
    ----------
    vectors : ndarray of shape (m, d), int8 or float32
        The vector of each slot.
    scale : ndarray of shape (m,), float32
        Factor of each slot's inner products, not negative.
    rows : ndarray of shape (m,), int32
        Product row of each slot.
    slots : ndarray of shape (n_products,), int32
        Slot of each product; -1 if the product has no vector.
    """

    vectors: AnyArray
    scale: FloatArray
    rows: Rows
    slots: Rows

    @classmethod
    def of_all(cls, vectors: AnyArray, scale: FloatArray) -> "ProductVectors":
        """Return the vectors of all products, where the slot of a product equals its row."""
        rows = np.arange(len(vectors), dtype=np.int32)
        return cls(vectors, scale, rows, rows)

    def of(self, rows: Rows) -> "ProductVectors":
        """Return the vectors of the products at distinct `rows`; in `self` the slot of a product must equal its row."""
        slots = np.full(len(self.slots), -1, np.int32)
        slots[rows] = np.arange(len(rows), dtype=np.int32)
        return ProductVectors(self.vectors[rows], self.scale[rows], rows, slots)

    @cached_property
    def lengths(self) -> FloatArray:
        """The length of each vector times its scale, shape (m,)."""
        return lengths_of(self.vectors, self.scale)

    @cached_property
    def block_lengths(self) -> FloatArray:
        """The largest length of each block of slots, as `largest_of_blocks` returns them."""
        return largest_of_blocks(self.lengths)

    @cached_property
    def floats(self) -> FloatArray:
        """The vectors as float32, shape (m, d), without their scale, for scoring many shoppers at once."""
        return self.vectors.astype(np.float32, copy=False)

    @cached_property
    def order(self) -> Rows:
        """The slots by falling length, shape (m,)."""
        return np.argsort(-self.lengths, kind="stable").astype(np.int32)

    @cached_property
    def falling_lengths(self) -> FloatArray:
        """The lengths in the order of `order`, so that a search reads memory in order."""
        return self.lengths[self.order]

    @cached_property
    def rows_by_length(self) -> Rows:
        """The product rows of the slots in the order of `order`."""
        return self.rows[self.order]


@dataclass(frozen=True, eq=False)
class VectorScores:
    """Inner products with the vectors of all products, plus the scores of few products.

    Parameters
    ----------
    point : ndarray of shape (d,), float32
        The shopper's vector.
    vectors : ProductVectors
        The products' vectors.
    least : float
        Scores below this count as 0, because they are rounding errors.
    near : FewScores, optional
        Scores that are added for few products.
    """

    point: FloatArray
    vectors: ProductVectors
    least: float
    near: FewScores | None = None

    def over(self, vectors: ProductVectors) -> "VectorScores":
        """Return the scores of the same shopper for other product vectors of the same space."""
        return replace(self, vectors=vectors)

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        each, near = self.vectors, self.near
        touched, added = (near.rows, near.values) if near else (NO_ROWS, NO_VALUES)
        return largest_dots(
            self.point,
            each.vectors,
            each.scale,
            each.lengths,
            each.block_lengths,
            each.order,
            each.falling_lengths,
            each.rows_by_length,
            touched,
            added,
            each.slots,
            allowed,
            k,
            self.least,
        )

    def at(self, rows: Rows) -> FloatArray:
        sums = self.near.at(rows) if self.near else np.zeros(len(rows), np.float32)
        each = self.vectors
        found = dots(self.point, each.vectors, each.scale, each.slots[rows], sums)
        found[found < self.least] = 0.0
        return found


@dataclass(frozen=True, eq=False)
class ProductScores:
    """The scores of `VectorScores` with precomputed inner products.

    One multiplication of matrices computes the inner products of many shoppers.

    Parameters
    ----------
    products : ndarray of shape (m,), float32
        Inner product of the shopper's vector with the vector of each slot, without the scale.
    vectors, least, near
        As in `VectorScores`.
    """

    products: FloatArray
    vectors: ProductVectors
    least: float
    near: FewScores | None = None

    @classmethod
    def of_many(cls, scores: Sequence[VectorScores]) -> "list[ProductScores]":
        """Return the scores of several shoppers, whose product vectors must be the same."""
        if not scores:
            return []
        products = np.stack([each.point for each in scores]) @ scores[0].vectors.floats.T
        return [cls(row, each.vectors, each.least, each.near) for row, each in zip(products, scores, strict=True)]

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        each = self.vectors
        with _added(self.near, len(each.slots)) as sums:
            return largest_products(self.products, each.scale, each.rows, sums, allowed, k, self.least)

    def at(self, rows: Rows) -> FloatArray:
        found = self.near.at(rows) if self.near else np.zeros(len(rows), np.float32)
        slots = self.vectors.slots[rows]
        there = slots >= 0
        found[there] += self.vectors.scale[slots[there]] * self.products[slots[there]]
        found[found < self.least] = 0.0
        return found


@contextmanager
def _added(near: FewScores | None, n_products: int) -> Iterator[FloatArray]:
    """Yield a scratch array with the scores of `near` by product row, 0 elsewhere; it is reset to 0 afterwards."""
    sums = workspace(n_products).sums
    if near:
        sums[near.rows] = near.values
    try:
        yield sums
    finally:
        if near:
            sums[near.rows] = 0.0
