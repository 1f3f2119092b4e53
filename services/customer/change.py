"""Detects that a customer's behaviour changed lately, and says what changed.

The last weeks are compared with the customer's own earlier baseline, aspect by aspect, by permutation tests.
"""

import math
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from services.customer.baskets import Baskets, baskets_of
from services.customer.change_tests import ASPECTS, ChangeTest, content_tests, frequency_test, weekly_counts
from services.customer.clock import WEEK
from services.customer.events import Events
from services.customer.interests import Labels
from services.customer.permutation import choices, holm

__all__ = ["ASPECTS", "ChangeReport", "ChangeSettings", "ChangeTest", "detect_changes"]

FloatArray = NDArray[np.float64]

MAX_PERMUTATIONS = 20_000
GLANCE = 199
"""Permutations of the first look, which clears most customers."""
CLEAR = 0.05
"""A customer whose p-values at the first look are all above this and alpha is cleared. That costs no false alarm: only
the full number of permutations can raise one. And hardly any power: a p-value of 0.002 gets there once in millions."""


@dataclass(frozen=True)
class ChangeSettings:
    """What is compared with what, and how strictly."""

    alpha: float = 0.01
    """False-alarm rate: the chance that a check of one customer names any change when order means nothing."""
    recent_days: int = 56
    """Length of the recent window, cut to whole weeks."""
    baseline_days: int = 364
    """Longest baseline before the recent window, cut to whole weeks."""
    min_recent: int = 4
    """Fewest recent baskets for tests of their contents."""
    min_baseline: int = 8
    """Fewest earlier baskets for any test, and fewest earlier weeks for the test of frequency."""
    permutations: int = 1999
    """Random orders. More are drawn where a small `alpha` asks for it, up to 20,000."""
    seed: int = 0
    utc_offset_seconds: int = 0
    """Added to the times before the part of the day is read."""

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        ValueError
            If a setting is out of range.
        """
        if not 0 < self.alpha <= 0.5:
            raise ValueError(f"alpha: must be above 0 and at most 0.5, got {self.alpha}")
        for name, least in (("recent_days", 7), ("baseline_days", 7), ("min_recent", 1), ("min_baseline", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: must be at least {least}, got {getattr(self, name)}")

    @property
    def recent_weeks(self) -> int:
        """Whole weeks of the recent window."""
        return self.recent_days // 7

    @property
    def baseline_weeks(self) -> int:
        """Whole weeks of the longest baseline."""
        return self.baseline_days // 7

    @property
    def draws(self) -> int:
        """Permutations with which the strictest corrected test can still be significant, within bounds."""
        needed = math.ceil(2 * len(ASPECTS) / self.alpha) - 1
        return max(self.permutations, min(needed, MAX_PERMUTATIONS))


@dataclass(frozen=True)
class ChangeReport:
    """What was tested and what changed."""

    alpha: float
    tests: tuple[ChangeTest, ...]
    """All aspects with enough data, most significant first; empty for a customer with a short history."""
    recent_baskets: int
    baseline_baskets: int

    @property
    def changes(self) -> tuple[ChangeTest, ...]:
        """The significant ones, most significant first."""
        return tuple(test for test in self.tests if test.p_value <= self.alpha)


DEFAULT_SETTINGS = ChangeSettings()


def detect_changes(
    events: Events, categories: Labels, now: int, settings: ChangeSettings = DEFAULT_SETTINGS
) -> ChangeReport:
    """Compare one customer's recent purchases with the earlier ones.

    The contents and times of day of baskets are tested by permuting baskets, the frequency by permuting weeks. So on
    histories whose order means nothing, the chance that anything is named is at most `alpha`. Seasons and trends
    of real histories are real changes, though perhaps not of this customer alone.

    Parameters
    ----------
    events
        The customer's events in any order; only purchases count.
    categories
        Category of each product row.
    now
        Unix seconds, UTC: end of the recent window. Later events are left out.
    settings
        Windows, false-alarm rate and seed.
    """
    everything = baskets_of(events, categories, now)
    start = now - settings.recent_weeks * WEEK
    baskets = everything.since(start - settings.baseline_weeks * WEEK + 1)
    recent = len(baskets.since(start + 1))
    baseline = len(baskets) - recent
    if baseline < settings.min_baseline:
        return ChangeReport(settings.alpha, (), recent, baseline)
    compare = partial(_compare, baskets, recent, _weekly(everything.times, now, settings), categories, settings)
    rng = np.random.default_rng(settings.seed)
    tests = compare(GLANCE, rng)
    if any(test.raw_p_value <= max(CLEAR, settings.alpha) for test in tests):
        tests = compare(settings.draws, rng)
    return ChangeReport(settings.alpha, _corrected(tests), recent, baseline)


def _weekly(times: NDArray[np.int64], now: int, settings: ChangeSettings) -> FloatArray:
    """Return the baskets of each week of both windows that the customer was known in, shape (weeks,).

    The part week of the very first purchase is left out: it holds a purchase by definition.
    """
    weeks = min(int(now - times[0]) // WEEK, settings.recent_weeks + settings.baseline_weeks)
    return weekly_counts(times, now, weeks)


def _compare(
    baskets: Baskets,
    recent: int,
    weekly: FloatArray,
    categories: Labels,
    settings: ChangeSettings,
    draws: int,
    rng: np.random.Generator,
) -> list[ChangeTest]:
    """Return the tests of all aspects there is enough data for."""
    tests = []
    if len(weekly) - settings.recent_weeks >= settings.min_baseline:
        tests.append(frequency_test(weekly, choices(len(weekly), settings.recent_weeks, draws, rng)))
    if recent >= settings.min_recent:
        chosen = choices(len(baskets), recent, draws, rng)
        tests += content_tests(baskets, categories, chosen, settings.utc_offset_seconds)
    return tests


def _corrected(tests: list[ChangeTest]) -> tuple[ChangeTest, ...]:
    corrected = holm([test.raw_p_value for test in tests])
    tests = [replace(test, p_value=p) for test, p in zip(tests, corrected, strict=True)]
    return tuple(sorted(tests, key=lambda test: (test.raw_p_value, test.aspect)))
