"""From when until when products are on sale, as the clock of an answer sees it: no change is needed for it to count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALWAYS = np.iinfo(np.int64).max
"""The end, in Unix seconds, of what has none."""


@dataclass(frozen=True, eq=False)
class SaleTimes:
    """The products that are not on sale at all times; few, so that looking at them costs nothing.

    Parameters
    ----------
    rows : ndarray of shape (n,), int32
        Products whose time has a beginning ahead or an end.
    since, until : ndarray of shape (n,), int64
        When it begins, and from when on it is over, in Unix seconds.
    turns : ndarray of shape (2n,), int64
        All those moments, ascending.
    """

    rows: NDArray[np.int32]
    since: NDArray[np.int64]
    until: NDArray[np.int64]
    turns: NDArray[np.int64]

    @classmethod
    def of(cls, since: NDArray[np.int64], until: NDArray[np.int64], now: float) -> "SaleTimes":
        """Return the times that matter from `now` on; `since` and `until` are of all products, by row."""
        rows = np.flatnonzero((since > now) | (until != ALWAYS)).astype(np.int32)
        turns = np.sort(np.concatenate([since[rows], until[rows]]))
        return cls(rows, since[rows], until[rows], turns)

    def closed(self, now: float) -> NDArray[np.int32]:
        """Return the rows of the products that are not on sale at `now`, in Unix seconds."""
        return self.rows[(self.since > now) | (self.until <= now)]

    def period(self, now: float) -> int:
        """Return a number that stays the same as long as the same products are on sale."""
        return int(np.searchsorted(self.turns, now, "right"))
