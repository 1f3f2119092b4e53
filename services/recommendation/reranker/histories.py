"""Many shoppers' histories end to end, so that features of all of them are a few array operations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Longs, Rows
from services.recommendation.algorithms.interactions import DAY, Kind
from services.recommendation.algorithms.shopper import Shopper


@dataclass(frozen=True, eq=False)
class ShopperHistories:
    """What shoppers met, this session included: by shopper, oldest first.

    Parameters
    ----------
    n_shoppers : int
    owners : ndarray of shape (n_events,), int64
        Whose event it is: the place in the list of shoppers.
    products, kinds : ndarray of shape (n_events,)
        As in `Shopper`; products of this session and the product in view are views.
    ages : ndarray of shape (n_events,), float32
        Days before the moment of asking.
    steps : ndarray of shape (n_events,), int64
        Steps before the end of the shopper's history; the events of one second are one step.
    """

    n_shoppers: int
    owners: Longs
    products: Rows
    kinds: NDArray[np.int8]
    ages: FloatArray
    steps: Longs

    @classmethod
    def of(cls, shoppers: Sequence[Shopper]) -> Self:
        """Return the histories of `shoppers`."""
        sessions = [_session(shopper) for shopper in shoppers]
        parts = list(zip(shoppers, sessions, strict=True))
        lengths = np.array([len(shopper.products) + len(session) for shopper, session in parts], np.int64)
        clocks = _joined([_clock(shopper, len(session)) for shopper, session in parts], np.int64)
        owners = np.repeat(np.arange(len(parts)), lengths)
        now = np.repeat(np.array([shopper.now for shopper in shoppers], np.int64), lengths)
        return cls(
            n_shoppers=len(parts),
            owners=owners,
            products=_joined([rows for shopper, session in parts for rows in (shopper.products, session)], np.int32),
            kinds=_joined(
                [kinds for shopper, session in parts for kinds in (shopper.kinds, np.full(len(session), Kind.VIEW))],
                np.int8,
            ),
            ages=(np.maximum(now - clocks, 0) / DAY).astype(np.float32),
            steps=_steps(owners, clocks, np.cumsum(lengths)),
        )


def _session(shopper: Shopper) -> Rows:
    if shopper.current is None or (len(shopper.session) and shopper.session[-1] == shopper.current):
        return shopper.session
    return np.append(shopper.session, np.int32(shopper.current))


def _clock(shopper: Shopper, present: int) -> Longs:
    """Return a moment for each event; those of the session are steps of their own after everything else."""
    begin = max(shopper.now, int(shopper.times[-1]) if len(shopper.times) else shopper.now)
    clock: Longs = np.concatenate([shopper.times, begin + 1 + np.arange(present)])
    return clock


def _steps(owners: Longs, clocks: Longs, ends: Longs) -> Longs:
    if not len(owners):
        return np.empty(0, np.int64)
    new = (np.diff(clocks, prepend=clocks[:1]) != 0) | (np.diff(owners, prepend=owners[:1]) != 0)
    number = np.cumsum(new)
    steps: Longs = number[np.maximum(ends - 1, 0)][owners] - number
    return steps


def _joined(parts: Sequence[AnyArray], dtype: DTypeLike) -> AnyArray:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)
