"""Training data: all interactions as parallel arrays, and the attributes of customers and products."""

import math
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from services.recommendation.algorithms.arrays import Csr, FloatArray, Longs, Mask, Rows, as_csr
from shared.interaction_kind import Kind as Kind

T = TypeVar("T", bound=np.generic)

DAY = 86_400
"""Seconds in a day."""


EVENT_WEIGHTS: FloatArray = np.array([1.0, 3.0, 5.0], dtype=np.float32)
"""Default weight of an event by `Kind` (unitless): view 1, cart 3, purchase 5. Used if no weights were learned."""


@dataclass(frozen=True, eq=False)
class Interactions:
    """The training data of all algorithms.

    Parameters
    ----------
    customers, products : ndarray of shape (n_events,), int32
        Rows of the customer and the product of each event.
    kinds : ndarray of shape (n_events,), int8
        `Kind` of each event.
    quantities : ndarray of shape (n_events,), float32
        Units bought or put into the cart; 1 for a view.
    times : ndarray of shape (n_events,), int64
        Time of each event in Unix seconds.
    baskets : ndarray of shape (n_events,), int32
        Number of the purchase or session of each event; events of the same purchase or session share it.
    n_customers, n_products : int
        Numbers of customers and products; every row in the arrays is below them.
    now : int
        Time of training in Unix seconds; the age of an event is `now` minus its time.
    groups : dict of str to ndarray of shape (n_customers,), int32
        Codes of customer groups, such as `region` and `age`; -1 where unknown.
    embeddings : ndarray of shape (n_products, d), float32
        Product embeddings; a row of zeros means none.
    added : ndarray of shape (n_products,), int64
        Time at which each product was added to the catalogue, in Unix seconds.
    similar, complementary : csr_array of shape (n_products, n_products), float32
        Strength of the relation from the row's product to the column's product, as computed by the product agent; the
        matrices may have no entries.
    category : ndarray of shape (n_products,), int32
        Code of each product's category; -1 where unknown.
    kind_weights : ndarray of shape (3,), float32
        Weight of an event by `Kind`, unitless, not negative.

    Raises
    ------
    ValueError
        If the lengths differ, a row is out of range or a weight is negative; the message names the array.
    """

    customers: Rows
    products: Rows
    kinds: NDArray[np.int8]
    quantities: FloatArray
    times: Longs
    baskets: Rows
    n_customers: int
    n_products: int
    now: int
    groups: dict[str, Rows]
    embeddings: FloatArray
    added: Longs
    similar: Csr
    complementary: Csr
    category: Rows
    kind_weights: FloatArray = field(default_factory=lambda: EVENT_WEIGHTS)

    def __post_init__(self) -> None:
        for name in ("products", "kinds", "quantities", "times", "baskets"):
            _require_length(name, getattr(self, name), len(self.customers))
        for name in ("embeddings", "added", "category"):
            _require_length(name, getattr(self, name), self.n_products)
        for name, codes in self.groups.items():
            _require_length(f"groups[{name!r}]", codes, self.n_customers)
        for name in ("similar", "complementary"):
            _require_square(name, getattr(self, name), self.n_products)
        require_rows("customers", self.customers, self.n_customers)
        require_rows("products", self.products, self.n_products)
        require_rows("kinds", self.kinds, len(Kind))
        _require_length("kind_weights", self.kind_weights, len(Kind))
        if not (self.kind_weights >= 0).all():
            raise ValueError(f"kind_weights: must not be negative, got {self.kind_weights.tolist()}")

    @classmethod
    def of(
        cls,
        customers: ArrayLike = (),
        products: ArrayLike = (),
        *,
        n_customers: int,
        n_products: int,
        now: int,
        kinds: ArrayLike = Kind.PURCHASE,
        quantities: ArrayLike = 1.0,
        times: ArrayLike | None = None,
        baskets: ArrayLike | None = None,
        groups: dict[str, ArrayLike] | None = None,
        embeddings: ArrayLike | None = None,
        added: ArrayLike = 0,
        similar: Csr | None = None,
        complementary: Csr | None = None,
        category: ArrayLike = -1,
        kind_weights: ArrayLike = EVENT_WEIGHTS,
    ) -> Self:
        """Return interactions from the given arrays; missing ones get neutral values.

        For example, each customer has one basket and each event has the time `now`.
        """
        rows = np.asarray(customers, dtype=np.int32)
        empty = as_csr(sp.csr_array((n_products, n_products), dtype=np.float32))
        return cls(
            customers=rows,
            products=np.asarray(products, dtype=np.int32),
            kinds=_filled(kinds, len(rows), np.int8),
            quantities=_filled(quantities, len(rows), np.float32),
            times=_filled(now if times is None else times, len(rows), np.int64),
            baskets=rows.copy() if baskets is None else np.asarray(baskets, dtype=np.int32),
            n_customers=n_customers,
            n_products=n_products,
            now=now,
            groups={name: np.asarray(codes, dtype=np.int32) for name, codes in (groups or {}).items()},
            embeddings=np.asarray(np.zeros((n_products, 0)) if embeddings is None else embeddings, np.float32),
            added=_filled(added, n_products, np.int64),
            similar=empty if similar is None else similar,
            complementary=empty if complementary is None else complementary,
            category=_filled(category, n_products, np.int32),
            kind_weights=np.asarray(kind_weights, dtype=np.float32),
        )

    def where(self, mask: Mask) -> Self:
        """Return a copy with only the events that `mask`, shape (n_events,), selects; all else stays the same."""
        names = ("customers", "products", "kinds", "quantities", "times", "baskets")
        return replace(self, **{name: getattr(self, name)[mask] for name in names})

    def weights(self, half_life_days: float) -> FloatArray:
        """Return the weight of each event, shape (n_events,): the weight of its kind, halved every `half_life_days`."""
        return self.kind_weights[self.kinds] * decay(self.now - self.times, half_life_days)

    @cached_property
    def relative_weights(self) -> FloatArray:
        """`kind_weights` divided by the largest weight among the kinds that occur, shape (3,).

        So events have weight 1 if the data has only one kind.
        """
        occur = np.bincount(self.kinds, minlength=len(Kind)) > 0
        largest = float(self.kind_weights[occur].max(initial=0.0))
        shares: FloatArray = self.kind_weights / np.float32(largest or 1.0)
        return shares


def decay(ages: Longs, half_life_days: float) -> FloatArray:
    """Return 0.5 ** (age / half-life), float32, for `ages` in seconds.

    An age below 0 counts as 0; it occurs if another machine's clock is ahead.
    """
    exponent = np.maximum(ages, 0) * np.float64(-1.0 / (half_life_days * DAY))
    return np.exp2(exponent, out=exponent).astype(np.float32)


def distinct_columns(*rows: NDArray[np.integer]) -> Longs:
    """Return the distinct columns of a table of integers, shape (len(rows), n).

    The columns are ordered by the first row, then by the second, and so on.
    """
    table = sorted_columns(*rows)
    new = np.ones(table.shape[1], bool)
    new[1:] = (table[:, 1:] != table[:, :-1]).any(axis=0)
    return table[:, new]


def sorted_columns(*rows: NDArray[np.integer]) -> Longs:
    """Return the columns of a table of integers, shape (len(rows), n), by the first row, then by the second, and so on.

    Where the ranges of the rows allow, each column is sorted as one number, which is several times as fast.
    """
    lowest = [int(row.min(initial=0)) for row in rows]
    sizes = [int(row.max(initial=0)) - low + 1 for row, low in zip(rows, lowest, strict=True)]
    if math.prod(sizes) > np.iinfo(np.int64).max:
        table = np.stack([row.astype(np.int64) for row in rows])
        return table[:, np.lexsort(table[::-1])]
    packed = np.zeros(len(rows[0]), np.int64)
    for row, low, size in zip(rows, lowest, sizes, strict=True):
        packed *= size
        packed += row
        packed -= low
    packed.sort()
    table = np.empty((len(rows), len(packed)), np.int64)
    for place in reversed(range(len(rows))):
        packed, table[place] = np.divmod(packed, sizes[place])
        table[place] += lowest[place]
    return table


def require_rows(name: str, rows: NDArray[np.integer], n: int) -> None:
    """Raise ValueError naming the array if a row is negative or not below `n`."""
    if rows.size and (int(rows.min()) < 0 or int(rows.max()) >= n):
        worst = int(rows.min()) if int(rows.min()) < 0 else int(rows.max())
        raise ValueError(f"{name}: rows must be from 0 to {n - 1}, got {worst}")


def _require_length(name: str, array: NDArray[np.generic], n: int) -> None:
    if len(array) != n:
        raise ValueError(f"{name}: must have length {n}, got {len(array)}")


def _require_square(name: str, matrix: Csr, n: int) -> None:
    if matrix.shape != (n, n):
        raise ValueError(f"{name}: must have shape ({n}, {n}), got {matrix.shape}")


def _filled(value: ArrayLike, n: int, dtype: type[T]) -> NDArray[T]:
    array = np.asarray(value, dtype=dtype)
    return array if array.ndim else np.full(n, array, dtype=dtype)
