"""Rows of a table in memory by the keys that its rows have in the database."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Rows


@dataclass(frozen=True, eq=False)
class KeyRows:
    """Rows by key.

    Parameters
    ----------
    ascending : ndarray of shape (n,), int64
        The keys, sorted.
    rows : ndarray of shape (n,), int32
        The row of each of them.
    """

    ascending: Longs
    rows: Rows

    @classmethod
    def of(cls, keys: Longs) -> "KeyRows":
        """Return the rows of keys that stand in the order of their rows; shape (n,), each key once."""
        order = np.argsort(keys, kind="stable")
        return cls(keys[order].astype(np.int64), order.astype(np.int32))

    def extended(self, keys: Longs) -> "KeyRows":
        """Return the rows with those of new keys after them. New keys of the database are the largest: no new sort."""
        more = KeyRows.of(keys)
        ascending = np.concatenate([self.ascending, more.ascending])
        rows = np.concatenate([self.rows, more.rows + np.int32(len(self.rows))])
        if len(self.ascending) and len(keys) and more.ascending[0] < self.ascending[-1]:
            order = np.argsort(ascending, kind="stable")
            return KeyRows(ascending[order], rows[order])
        return KeyRows(ascending, rows)

    def find(self, keys: Iterable[int]) -> Rows:
        """Return the rows of keys in their order, int32; -1 for unknown ones."""
        wanted = keys if isinstance(keys, np.ndarray) else np.fromiter(keys, dtype=np.int64)
        if not len(self.ascending):
            return np.full(len(wanted), -1, np.int32)
        place = np.minimum(np.searchsorted(self.ascending, wanted), len(self.ascending) - 1)
        return np.where(self.ascending[place] == wanted, self.rows[place], -1).astype(np.int32)
