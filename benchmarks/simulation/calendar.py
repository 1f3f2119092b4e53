"""Which moment of the agents' clock a simulated day is."""

from datetime import UTC, datetime

from benchmarks.simulation.needs import DAY_SECONDS

START = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
"""Day 0, a Monday, in seconds since 1970: fixed, so that the same run has the same times whenever it is made."""


def moment(day: int, second: int = 0) -> int:
    """Return a second of a simulated day, in seconds since 1970."""
    return START + day * DAY_SECONDS + second
