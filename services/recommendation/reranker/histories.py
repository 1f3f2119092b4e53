"""The histories of one or many shoppers end to end, as one kernel reads them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Longs, Rows
from services.recommendation.algorithms.interactions import DAY, Kind
from services.recommendation.algorithms.shopper import Shopper
from shared.compiled import compiled


@dataclass(frozen=True, eq=False)
class ShopperHistories:
    """The events of shoppers, this session included: by shopper, oldest first.

    Parameters
    ----------
    starts : ndarray of shape (n_shoppers + 1,), int64
        Place of the first event of each shopper, and the number of events.
    products, kinds : ndarray of shape (n_events,)
        As in `Shopper`; products of this session and the product in view are views.
    ages : ndarray of shape (n_events,), float32
        Days before the moment of asking.
    steps : ndarray of shape (n_events,), int64
        Steps before the end of the shopper's history; the events of one second are one step.
    """

    starts: Longs
    products: Rows
    kinds: NDArray[np.int8]
    ages: FloatArray
    steps: Longs

    @property
    def n_shoppers(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def of(cls, shoppers: Sequence[Shopper]) -> Self:
        """Return the histories of `shoppers`."""
        sessions = [_session(shopper) for shopper in shoppers]
        starts = np.zeros(len(shoppers) + 1, np.int64)
        rows: list[AnyArray] = []
        kinds: list[AnyArray] = []
        times: list[AnyArray] = []
        for i, (shopper, session) in enumerate(zip(shoppers, sessions, strict=True)):
            rows += (shopper.products, session)
            kinds += (shopper.kinds, np.full(len(session), Kind.VIEW, np.int8))
            times += (shopper.times, _session_times(shopper, len(session)))
            starts[i + 1] = starts[i] + len(shopper.products) + len(session)
        ages, steps = _ages_and_steps(
            _joined(times, np.int64), starts, np.array([shopper.now for shopper in shoppers], np.int64)
        )
        return cls(starts, _joined(rows, np.int32), _joined(kinds, np.int8), ages, steps)


def _session(shopper: Shopper) -> Rows:
    if shopper.current is None or (len(shopper.session) and shopper.session[-1] == shopper.current):
        return shopper.session
    return np.append(shopper.session, np.int32(shopper.current))


def _session_times(shopper: Shopper, n: int) -> Longs:
    """Return a moment for each product of the session: each is a step of its own after the history."""
    last = max(shopper.now, int(shopper.times[-1])) if len(shopper.times) else shopper.now
    return np.arange(last + 1, last + 1 + n)


@compiled
def _ages_and_steps(times: Longs, starts: Longs, now: Longs) -> tuple[FloatArray, Longs]:
    """Return `ages` and `steps` of `ShopperHistories` from the events' times and the moments of asking."""
    ages, steps = np.empty(len(times), np.float32), np.empty(len(times), np.int64)
    for shopper in range(len(now)):
        step = 0
        for event in range(starts[shopper + 1] - 1, starts[shopper] - 1, -1):
            if event + 1 < starts[shopper + 1] and times[event] != times[event + 1]:
                step += 1
            ages[event] = max(now[shopper] - times[event], 0) / DAY
            steps[event] = step
    return ages, steps


def _joined(parts: Sequence[AnyArray], dtype: DTypeLike) -> AnyArray:
    return np.concatenate(parts, dtype=dtype, casting="unsafe") if parts else np.empty(0, dtype)
