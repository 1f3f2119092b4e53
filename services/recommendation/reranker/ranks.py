"""Ranks of values within groups that stand together."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs

SIGN = np.uint32(1 << 31)
PLACE_BITS = np.uint64(32)
PLACE = np.uint64((1 << 32) - 1)


class Ranker:
    """Ranks values within groups, as often as wanted.

    Values and their places are packed into whole numbers, which numpy sorts several times faster than it finds the
    order of floats by group.

    Parameters
    ----------
    groups : ndarray of shape (n,), int64
        Group of each value, ascending.
    """

    def __init__(self, groups: Longs) -> None:
        begins = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])[: len(groups)])
        counts = np.diff(np.append(begins, len(groups)))
        self._begin = np.repeat(begins, counts)
        self._place = np.arange(len(groups)) - self._begin
        self._filled = np.arange(counts.max(initial=0)) < counts[:, None]

    def ranks(self, values: FloatArray) -> Longs:
        """Return the rank of each value in its group from 0, the largest first, the first among equals first."""
        table = np.full(self._filled.shape, np.iinfo(np.uint64).max)
        table[self._filled] = _falling(values).astype(np.uint64) << PLACE_BITS | self._place.astype(np.uint64)
        table.sort(axis=1)
        ranks = np.empty(len(values), np.int64)
        ranks[self._begin + (table[self._filled] & PLACE).astype(np.int64)] = self._place
        return ranks


def _falling(values: FloatArray) -> NDArray[np.uint32]:
    """Return whole numbers that ascend where the values descend (the bits of IEEE 754 floats order as integers do)."""
    # + 0.0 makes one zero of -0.0 and 0.0
    bits = (np.asarray(values, np.float32) + np.float32(0.0)).view(np.uint32)
    falling: NDArray[np.uint32] = np.where(bits & SIGN, bits, ~(bits | SIGN))
    return falling
