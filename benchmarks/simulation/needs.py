"""When households come to the shop, and what they need then: the same whatever is recommended to them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.preferences import Preferences
from benchmarks.simulation.source import WEEKDAYS, Floats, Ints

DAY_SECONDS = 86_400
HOUR = 3_600
MIDDAY, SPREAD = 15.0, 3.0
"""Mean and standard deviation of the hour at which a session begins, cut at 7 and 22 o'clock."""
OPENING, CLOSING = 7.0, 22.0
CALIBRATIONS = 3
"""Rounds in which the rates of needs are set right: two needs before one trip are one purchase."""

CALIBRATION_DAYS = 180
LEAD_DAYS = 56
"""Before the first day, so that what waits for a household's first session is there."""


@dataclass(frozen=True)
class Sessions:
    """Sessions by time, and the needs that each household has in it.

    Attributes
    ----------
    households, days : ndarray of shape (n,), int
    seconds : ndarray of shape (n,), int
        Second of the day at which the session begins.
    need_sessions, need_categories : ndarray of shape (m,), int
        Session and category of each need, sorted by session.
    remembered : ndarray of shape (m,), bool
        Whether the household thinks of it by itself.
    """

    households: Ints
    days: Ints
    seconds: Ints
    need_sessions: Ints
    need_categories: Ints
    remembered: NDArray[np.bool_]

    def __len__(self) -> int:
        """Return the number of sessions."""
        return len(self.households)

    def needs_of(self, session: int) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the categories that are needed in a session, and which of them are remembered."""
        first, last = np.searchsorted(self.need_sessions, (session, session + 1))
        return self.need_categories[first:last], self.remembered[first:last]

    def where(self, kept: NDArray[np.bool_]) -> "Sessions":
        """Return the sessions that a mask keeps, with their needs, numbered anew."""
        numbers = np.cumsum(kept) - 1
        needs = kept[self.need_sessions]
        return Sessions(
            self.households[kept],
            self.days[kept],
            self.seconds[kept],
            numbers[self.need_sessions[needs]],
            self.need_categories[needs],
            self.remembered[needs],
        )


def draw_sessions(
    periods: Sequence[tuple[int, Preferences]],
    last_day: int,
    recalled_share: float,
    visit_share: float,
    rng: np.random.Generator,
) -> Sessions:
    """Draw the sessions of some days; day 0 is a Monday.

    Trips are Bernoulli by household and day. Needs arise by a renewal process with gamma gaps for each household and
    category, in equilibrium at the start of each period, and wait for the next session; those of the `LEAD_DAYS` before
    the first day are there too.

    Parameters
    ----------
    periods : sequence of (int, Preferences)
        Preferences and the day from which they hold, ascending; the first day is the first that is returned.
    last_day : int
        Day after the last one.
    """
    (first_day, preferences), *_ = periods
    start = first_day - LEAD_DAYS
    households, day, seconds = _visits(preferences, start, last_day - start, visit_share, rng)
    order = np.lexsort((households, seconds, day))
    households, day, seconds = households[order], day[order], seconds[order]
    starts = [start, *(first for first, _ in periods[1:]), last_day]
    needs = [
        _need_times(own, since, until, rng) for (since, until), (_, own) in zip(pairwise(starts), periods, strict=True)
    ]
    needing, categories, times = (np.concatenate(each) for each in zip(*needs, strict=True))
    session = _next_session(households, (day - start) * DAY_SECONDS + seconds, needing, (times - start) * DAY_SECONDS)
    there = session >= 0
    pairs = np.unique(np.column_stack([session[there], categories[there]]), axis=0)
    remembered = rng.random(len(pairs)) < recalled_share
    found = Sessions(households, day, seconds, pairs[:, 0], pairs[:, 1], remembered)
    return found.where(found.days >= first_day)


def incidence(sessions: Sessions, categories: int) -> Floats:
    """Return in which share of the sessions each category is needed and remembered."""
    found = np.bincount(sessions.need_categories[sessions.remembered], minlength=categories)
    return np.asarray(found / len(sessions))


def calibrated(
    preferences: Preferences, observed_incidence: Floats, recalled_share: float, visit_share: float, seed: int
) -> Preferences:
    """Return preferences whose remembered needs a session are as frequent as purchases a trip are in the data.

    Needs that are forgotten come on top: they are purchases that the shop of the data never saw.
    """
    for number in range(CALIBRATIONS):
        rng = np.random.default_rng([seed, number])
        sessions = draw_sessions([(0, preferences)], CALIBRATION_DAYS, recalled_share, visit_share, rng)
        factor = observed_incidence / np.maximum(incidence(sessions, len(observed_incidence)), 1e-9)
        preferences = replace(preferences, need_rates=preferences.need_rates * factor)
    return preferences


def _visits(
    preferences: Preferences, first_day: int, days: int, visit_share: float, rng: np.random.Generator
) -> tuple[Ints, Ints, Ints]:
    weekdays = preferences.weekdays[(np.arange(days) + first_day) % WEEKDAYS]
    chance = 1.0 - np.exp(-visit_share * preferences.visit_rates[:, None] * weekdays)
    households, day = np.nonzero(rng.random(chance.shape) < chance)
    hours = np.clip(rng.normal(MIDDAY, SPREAD, len(day)), OPENING, CLOSING)
    return households, day + first_day, (hours * HOUR).astype(np.int64)


def _need_times(
    preferences: Preferences, first_day: int, last_day: int, rng: np.random.Generator
) -> tuple[Ints, Ints, Floats]:
    """Return household, category and day, with its fraction, of each need from one day to before another."""
    rates = preferences.need_rates
    households, categories = (each.ravel() for each in np.indices(rates.shape))
    means = 1.0 / rates.ravel()
    shapes = preferences.need_shapes[categories]
    # In equilibrium the gap that is under way is drawn by its length, and the start lies anywhere in it.
    times = rng.random(len(means)) * rng.gamma(shapes + 1.0, means / shapes)
    found = []
    pending = np.arange(len(means))
    while True:
        pending = pending[times[pending] < last_day - first_day]
        if not len(pending):
            break
        found.append((pending, times[pending].copy()))
        times[pending] += rng.gamma(shapes[pending], means[pending] / shapes[pending])
    pairs = np.concatenate([each for each, _ in found])
    return households[pairs], categories[pairs], first_day + np.concatenate([each for _, each in found])


def _next_session(households: Ints, moments: Ints, needing: Ints, times: Floats) -> Ints:
    """Return the first session of the household at or after each time, -1 where there is none."""
    order = np.lexsort((moments, households))
    horizon = float(max(moments.max(initial=0), times.max(initial=0.0))) + 1.0
    keys = households[order] * horizon + moments[order]
    place = np.searchsorted(keys, needing * horizon + times)
    inside = place < len(order)
    session = np.where(inside, order[np.minimum(place, len(order) - 1)], -1)
    return np.where(inside & (households[session] == needing), session, -1)
