"""What is known of a shopper at the moment of asking."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.interactions import DAY, EVENT_WEIGHTS, Kind
from shared.compiled import compiled

T = TypeVar("T")

PROFILE_HALF_LIFE_DAYS = 90.0
"""Default half-life of what an event says about preferences."""
LONGEST_ABSENCE_DAYS = 60
"""A shopper's profile fades no further than this while the shopper is away: who comes back is not a stranger."""
LEAST_OF_NOW = 0.1
"""Least weight of what is met now, as a share of the weightiest kind's."""


def profile_clock(moment: int, times: Longs) -> int:
    """Return the moment at which a profile is looked at, in Unix seconds: `moment`, or 60 days after the last event.

    `times` has shape (n_events,), ascending. Training, evaluation and serving look at profiles by it.
    """
    latest = int(times[-1]) if len(times) else moment
    return min(moment, latest + LONGEST_ABSENCE_DAYS * DAY)


def _rows() -> Rows:
    return np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Shopper:
    """A shopper's history and present; nothing of it needs to have been there at training.

    Parameters
    ----------
    now : int
        The moment of asking in Unix seconds.
    products, kinds, quantities, times, baskets : ndarray of shape (n_events,)
        The history, oldest first; types and meanings as in `Interactions`.
    session : ndarray of shape (n_session,), int32
        Products met in this session, oldest first. They may be in the history as well.
    current : int or None
        The product in view.
    cart : ndarray of shape (n_cart,), int32
        Products in the cart, or just bought on the page after a purchase.
    groups : dict of str to int
        Codes of the shopper's groups; absent or -1 where unknown.
    """

    now: int
    products: Rows = field(default_factory=_rows)
    kinds: NDArray[np.int8] = field(default_factory=lambda: np.empty(0, np.int8))
    quantities: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))
    times: Longs = field(default_factory=lambda: np.empty(0, np.int64))
    baskets: Rows = field(default_factory=_rows)
    session: Rows = field(default_factory=_rows)
    current: int | None = None
    cart: Rows = field(default_factory=_rows)
    groups: dict[str, int] = field(default_factory=dict)

    @cached_property
    def bought(self) -> Rows:
        """Rows of the products ever bought, ascending, each once."""
        return np.unique(self.products[self.kinds == Kind.PURCHASE])

    @cached_property
    def present(self) -> Rows:
        """Rows of this session with the product in view last, oldest first, each when last met."""
        return last_occurrences(
            self.session if self.current is None else np.append(self.session, np.int32(self.current))
        )

    @cached_property
    def last_basket(self) -> Rows:
        """Rows of the latest purchase in the history, each once."""
        purchases = self.kinds == Kind.PURCHASE
        if not purchases.any():
            return _rows()
        latest = self.baskets[purchases][-1]
        return last_occurrences(self.products[purchases & (self.baskets == latest)])

    @cached_property
    def trail(self) -> Rows:
        """Rows of everything met, oldest first, this session and the product in view last; each when last met."""
        return self._steps[0]

    @cached_property
    def trail_ages(self) -> FloatArray:
        """Steps from each row of `trail` to its end, shape (n_trail,), float32.

        Events of the same second, such as the lines of one purchase, are one step; each product of this session is one.
        """
        steps = self._steps[1]
        ages: FloatArray = (steps[-1:].max(initial=0) - steps).astype(np.float32)
        return ages

    def weights(
        self, half_life_days: float = PROFILE_HALF_LIFE_DAYS, kind_weights: FloatArray = EVENT_WEIGHTS
    ) -> tuple[Rows, FloatArray]:
        """Return how much each product met says about the shopper's preferences now.

        Parameters
        ----------
        half_life_days : float
            Time after which an event counts half.
        kind_weights : ndarray of shape (3,), float32
            How much an event says, by `Kind`.

        Returns
        -------
        rows : ndarray of shape (n,), int32
            Products of the history, session, cart and view, ascending, each once.
        weights : ndarray of shape (n,), float32
            Sum over events of the weight of their kind, halved every half-life. Each step of this session and the
            product in view count as one more view now, products in the cart as put there now, each at least a tenth of
            the weightiest kind: what somebody looks at now matters even where views of old were found to say nothing.
        """
        key = ("weights", half_life_days, kind_weights.tobytes())
        return self.memo(key, lambda: self._summed_weights(half_life_days, kind_weights))

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what `make` gave for `key` the first time: algorithms score and then explain the same shopper."""
        if key not in self._memory:
            self._memory[key] = make()
        return cast("T", self._memory[key])

    def within(self, n_products: int) -> Self:
        """Return the shopper without products whose row is not below `n_products`: those a model does not know yet."""
        if self._row_range[1] < n_products:
            return self
        known = self.products < n_products
        names = ("products", "kinds", "quantities", "times", "baskets")
        return replace(
            self,
            **{name: getattr(self, name)[known] for name in names},
            session=self.session[self.session < n_products],
            cart=self.cart[self.cart < n_products],
            current=self.current if self.current is not None and self.current < n_products else None,
        )

    def require_within(self, n_products: int) -> None:
        """Raise ValueError if any product row is negative or not below `n_products`."""
        low, high = self._row_range
        if low < 0 or high >= n_products:
            worst = low if low < 0 else high
            raise ValueError(f"shopper: product rows must be from 0 to {n_products - 1}, got {worst}")

    @cached_property
    def _row_range(self) -> tuple[int, int]:
        rows = self._all_rows
        return (int(rows.min()), int(rows.max())) if rows.size else (0, -1)

    @cached_property
    def _all_rows(self) -> Rows:
        return np.concatenate([self.products, self._steps_now, self.cart])

    @cached_property
    def _steps_now(self) -> Rows:
        """Return the rows of this session with the product in view last, oldest first, repeats kept."""
        if self.current is None or (len(self.session) and int(self.session[-1]) == self.current):
            return self.session
        return np.append(self.session, np.int32(self.current))

    @cached_property
    def _steps(self) -> tuple[Rows, Longs]:
        """Return the rows of `trail` and the number of the step at which each was last met."""
        rows = np.concatenate([self.products, self.present])
        clock = np.concatenate([self.times, self.now + 1 + np.arange(len(self.present))])
        steps = np.cumsum(np.diff(clock, prepend=clock[:1]) != 0)
        kept = last_positions(rows)
        return rows[kept], steps[kept]

    @cached_property
    def _memory(self) -> dict[Hashable, object]:
        return {}

    @cached_property
    def _distinct(self) -> tuple[Rows, Longs]:
        """Return the rows of everything met, ascending, each once, and the place of each of `_all_rows` in them."""
        rows, places = np.unique(self._all_rows, return_inverse=True)
        return rows, places

    def _summed_weights(self, half_life_days: float, kind_weights: FloatArray) -> tuple[Rows, FloatArray]:
        rows, places = self._distinct
        view, cart = np.maximum(kind_weights, LEAST_OF_NOW * kind_weights.max())[[Kind.VIEW, Kind.CART]]
        return rows, summed_weights(
            places,
            len(rows),
            self.kinds,
            self.times,
            self.now,
            half_life_days * DAY,
            kind_weights,
            view,
            cart,
            len(self._steps_now),
        )


@compiled
def summed_weights(
    places: Longs,
    n: int,
    kinds: NDArray[np.int8],
    times: Longs,
    now: int,
    half_life: float,
    kind_weights: FloatArray,
    view: float,
    cart: float,
    n_steps: int,
) -> FloatArray:
    """Return the summed weights of `n` products, float32.

    `places` has the product of each event of the history, then of each of the `n_steps` of this session, which weigh
    `view`, then of each product in the cart, which weighs `cart`. `half_life` is in seconds.
    """
    summed = np.zeros(n)
    for event in range(len(kinds)):
        age = max(now - times[event], 0)
        summed[places[event]] += kind_weights[kinds[event]] * np.exp2(-age / half_life)
    for step in range(len(kinds), len(places)):
        summed[places[step]] += view if step < len(kinds) + n_steps else cart
    return summed.astype(np.float32)


def last_occurrences(rows: Rows) -> Rows:
    """Return `rows` with only the last occurrence of each value kept, order otherwise unchanged."""
    return rows[last_positions(rows)]


def last_positions(rows: Rows) -> Longs:
    """Return the positions, ascending, at which each value of `rows` occurs last."""
    _, first = np.unique(rows[::-1], return_index=True)
    return np.sort(len(rows) - 1 - first)
