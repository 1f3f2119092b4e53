"""The input of scoring: a shopper's history, session, cart and groups at the time of a request."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.bits import distinct, distinct_with_places, last_positions
from services.recommendation.algorithms.interactions import DAY, EVENT_WEIGHTS, Kind
from shared.compiled import compiled

T = TypeVar("T")

PROFILE_HALF_LIFE_DAYS = 90.0
"""Default half-life of the weight of an event, in days."""
LONGEST_ABSENCE_DAYS = 60
"""The decay of a profile stops this long after the last event, so that returning shoppers keep their profile."""
LEAST_OF_NOW = 0.1
"""Lower bound of the weight of a product in this session or in the cart, as a share of the largest kind's weight."""


def profile_clock(moment: int, times: Longs) -> int:
    """Return the time at which a profile is computed, in Unix seconds: `moment`, or 60 days after the last event.

    The earlier of the two is returned. `times` are the times of the shopper's events, shape (n_events,), ascending.
    Training, evaluation and serving all use this function.
    """
    latest = int(times[-1]) if len(times) else moment
    return min(moment, latest + LONGEST_ABSENCE_DAYS * DAY)


def _rows() -> Rows:
    return np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Shopper:
    """A shopper's history and current context. The events and the shopper need not have been in the training data.

    Parameters
    ----------
    now : int
        Time of the request in Unix seconds.
    products, kinds, quantities, times, baskets : ndarray of shape (n_events,)
        The history, oldest first; types and meanings as in `Interactions`.
    session : ndarray of shape (n_session,), int32
        Products of this session, oldest first. They may be in the history as well.
    current : int or None
        Row of the product in view.
    cart : ndarray of shape (n_cart,), int32
        Products in the cart; on the page after a purchase, the products just bought.
    groups : dict of str to int
        Codes of the shopper's groups by name; absent or -1 if unknown.
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
        return distinct(self.products[self.kinds == Kind.PURCHASE])

    @cached_property
    def present(self) -> Rows:
        """Rows of this session, oldest first, with the product in view last. Of repeats only the last is kept."""
        return last_occurrences(
            self.session if self.current is None else np.append(self.session, np.int32(self.current))
        )

    @cached_property
    def last_basket(self) -> Rows:
        """Rows of the products of the latest purchase in the history, each once."""
        purchases = self.kinds == Kind.PURCHASE
        if not purchases.any():
            return _rows()
        latest = self.baskets[purchases][-1]
        return last_occurrences(self.products[purchases & (self.baskets == latest)])

    @cached_property
    def trail(self) -> Rows:
        """Rows of the history, then of this session, then of the product in view, oldest first.

        Of repeats only the last is kept.
        """
        return self._steps[0]

    @cached_property
    def trail_ages(self) -> FloatArray:
        """Number of steps from each row of `trail` to the last, shape (n_trail,), float32.

        Events of the same second, such as the lines of one purchase, are one step. Each product of this session is a
        step of its own.
        """
        steps = self._steps[1]
        ages: FloatArray = (steps[-1:].max(initial=0) - steps).astype(np.float32)
        return ages

    def weights(
        self, half_life_days: float = PROFILE_HALF_LIFE_DAYS, kind_weights: FloatArray = EVENT_WEIGHTS
    ) -> tuple[Rows, FloatArray]:
        """Return the decayed weight of each product that the shopper interacted with.

        Parameters
        ----------
        half_life_days : float
            Time after which the weight of an event is halved, in days.
        kind_weights : ndarray of shape (3,), float32
            Weight of an event by `Kind`.

        Returns
        -------
        rows : ndarray of shape (n,), int32
            Products of the history, the session and the cart, and the product in view; ascending, each once.
        weights : ndarray of shape (n,), float32
            Sum over events of the weight of their kind, halved every half-life. Each product of this session and the
            product in view add a view of age 0; each product in the cart adds a cart event of age 0. These additions
            are at least a tenth of the largest kind's weight, because current products matter even if past views were
            learned to have weight 0.
        """
        key = ("weights", half_life_days, kind_weights.tobytes())
        return self.memo(key, lambda: self._summed_weights(half_life_days, kind_weights))

    def memo(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result of `make`, computed once per `key`.

        Algorithms use it because they score and then explain the same shopper.
        """
        if key not in self._memory:
            self._memory[key] = make()
        return cast("T", self._memory[key])

    def within(self, n_products: int) -> Self:
        """Return the shopper without products whose row is not below `n_products`, which a model does not know yet."""
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
        """Return the rows of this session, oldest first, with the product in view last. Repeats are kept."""
        if self.current is None or (len(self.session) and int(self.session[-1]) == self.current):
            return self.session
        return np.append(self.session, np.int32(self.current))

    @cached_property
    def _steps(self) -> tuple[Rows, Longs]:
        """Return the rows of `trail` and the number of the step at which each occurs last."""
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
        """Return the distinct rows of `_all_rows`, ascending, and the position of each of `_all_rows` in them."""
        return distinct_with_places(self._all_rows)

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
    """Return the sum of the event weights of each of `n` products, shape (n,), float32.

    `places` has the product, from 0 to n - 1, of each event of the history, then of each of the `n_steps` products of
    this session, then of each product in the cart. A product of this session has weight `view`, a product in the cart
    has weight `cart`. `half_life` is in seconds; `times` and `now` are Unix seconds.
    """
    summed = np.zeros(n)
    for event in range(len(kinds)):
        age = max(now - times[event], 0)
        summed[places[event]] += kind_weights[kinds[event]] * np.exp2(-age / half_life)
    for step in range(len(kinds), len(places)):
        summed[places[step]] += view if step < len(kinds) + n_steps else cart
    return summed.astype(np.float32)


def last_occurrences(rows: Rows) -> Rows:
    """Return `rows` with only the last occurrence of each value, in unchanged order."""
    return rows[last_positions(rows)]
