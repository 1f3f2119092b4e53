"""Days, hours and weekdays of arrays of Unix times, computed with numpy instead of a calendar library."""

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

HOUR = 3_600
DAY = 24 * HOUR
WEEK = 7 * DAY

DAYPARTS = ("night", "morning", "afternoon", "evening")
"""Parts of the day, six hours each, from midnight."""
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
EPOCH_WEEKDAY = WEEKDAYS.index("thursday")
"""1 January 1970 was a Thursday."""


def hour(times: IntArray, utc_offset_seconds: int = 0) -> IntArray:
    """Return for each time, in Unix seconds, the number of whole hours since 1970."""
    return (times + utc_offset_seconds) // HOUR


def day(times: IntArray, utc_offset_seconds: int = 0) -> IntArray:
    """Return for each time, in Unix seconds, the number of whole days since 1970."""
    return (times + utc_offset_seconds) // DAY


def daypart(times: IntArray, utc_offset_seconds: int = 0) -> IntArray:
    """Return the index into `DAYPARTS` of each time."""
    return hour(times, utc_offset_seconds) % 24 // 6


def weekday(times: IntArray, utc_offset_seconds: int = 0) -> IntArray:
    """Return the index into `WEEKDAYS` of each time."""
    return (day(times, utc_offset_seconds) + EPOCH_WEEKDAY) % 7
