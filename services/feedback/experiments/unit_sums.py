"""Sums of each unit of an experiment, since it met its arm and in the weeks before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.db.sessions import SILENCE
from shared.db.types import MICROSECOND
from shared.experiments.measures import MEASURES

Longs = NDArray[np.int64]
Floats = NDArray[np.float64]
PRE_PERIOD_DAYS = 28
"""How far before its first list what a unit did is used to foresee it (CUPED)."""


@dataclass(frozen=True)
class SessionRows:
    """Sessions of the units of an experiment, in any order.

    Parameters
    ----------
    unit : ndarray of shape (n,), int64
        Row of the unit.
    started, ended : ndarray of shape (n,), int64
        When the session began, and its last event, in microseconds since 1970.
    values : ndarray of shape (n, len(MEASURES)), float64
    segment : ndarray of shape (n,), int64
        Code of the segment.
    """

    unit: Longs
    started: Longs
    ended: Longs
    values: Floats
    segment: Longs


@dataclass(frozen=True)
class UnitSums:
    """What units did.

    Parameters
    ----------
    arm : ndarray of shape (n_units,), int64
        Index of the arm.
    after, before : ndarray of shape (n_units, len(MEASURES)), float64
        Since the unit met its arm, and in the `PRE_PERIOD_DAYS` before.
    segment : ndarray of shape (n_units,), int64
        Code of the segment in the first session that counts; -1 without one.
    """

    arm: Longs
    after: Floats
    before: Floats
    segment: Longs

    def column(self, name: str, arm: int, *, before: bool = False) -> Floats:
        """Return a measure of the units of an arm."""
        table = self.before if before else self.after
        found: Floats = table[self.arm == arm, MEASURES.index(name)]
        return found

    def within(self, segment: int) -> "UnitSums":
        """Return the units of one segment."""
        inside = self.segment == segment
        return UnitSums(self.arm[inside], self.after[inside], self.before[inside], self.segment[inside])


def unit_sums(arm: Longs, first_at: Longs, met_at: Longs, rows: SessionRows) -> UnitSums:
    """Return the sums of units.

    Sessions that begin after a unit's first list count, and the one in which the list was shown. Those before it
    foresee them, unless another arm was met by then.

    Parameters
    ----------
    arm, first_at, met_at : ndarray of shape (n_units,), int64
        The arm of each unit, the moment of its first list in this arm, and of the first in any arm, in microseconds
        since 1970.
    rows : SessionRows
    """
    n = len(arm)
    first, met = first_at[rows.unit], met_at[rows.unit]
    counts = (rows.started >= first) | _visits(first, rows)
    recent = ~counts & (rows.ended < met) & (rows.started >= met - PRE_PERIOD_DAYS * 86_400_000_000)
    after, before = (np.zeros((n, len(MEASURES))) for _ in range(2))
    np.add.at(after, rows.unit[counts], rows.values[counts])
    np.add.at(before, rows.unit[recent], rows.values[recent])
    return UnitSums(arm, after, before, _first_segments(n, rows, counts))


def _visits(first: Longs, rows: SessionRows) -> NDArray[np.bool_]:
    """Return which sessions are the ones that the first lists were shown in: the latest that had not ended by then."""
    earlier = (rows.started < first) & (rows.ended >= first - SILENCE // MICROSECOND)
    places = np.flatnonzero(earlier)
    order = places[np.lexsort((rows.started[places], rows.unit[places]))]
    last = np.ones(len(order), bool)
    last[:-1] = rows.unit[order][1:] != rows.unit[order][:-1]
    found = np.zeros(len(rows.unit), bool)
    found[order[last]] = True
    return found


def _first_segments(n: int, rows: SessionRows, counts: NDArray[np.bool_]) -> Longs:
    segment = np.full(n, -1, np.int64)
    places = np.flatnonzero(counts)
    latest_first = places[np.argsort(-rows.started[places], kind="stable")]
    segment[rows.unit[latest_first]] = rows.segment[latest_first]
    return segment
