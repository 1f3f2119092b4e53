"""Detects whether a customer's behaviour changed recently, and in which aspects.

Permutation tests compare the last weeks with the customer's own earlier baseline, one test per aspect.
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
from services.customer.permutation import choices
from shared.multiplicity import holm

__all__ = ["ASPECTS", "ChangeReport", "ChangeSettings", "ChangeTest", "detect_changes"]

FloatArray = NDArray[np.float64]

MAX_PERMUTATIONS = 20_000
GLANCE = 199
"""Number of permutations of the first pass, which suffices for most customers."""
CLEAR = 0.05
"""If all p-values of the first pass are above this and above alpha, there is no second pass.

The first pass causes no false alarms, because only the second pass, with all permutations, can report a change. It also
loses hardly any power: a true p-value of 0.002 exceeds the limit once in millions of first passes.
"""


@dataclass(frozen=True)
class ChangeSettings:
    """The windows that are compared, and the significance level."""

    alpha: float = 0.01
    """False-alarm rate: probability that any change is reported if the order of a customer's purchases is random."""
    recent_days: int = 56
    """Length of the recent window in days, rounded down to whole weeks."""
    baseline_days: int = 364
    """Largest length in days of the baseline before the recent window, rounded down to whole weeks."""
    min_recent: int = 4
    """Smallest number of recent baskets for the tests of basket contents."""
    min_baseline: int = 8
    """Smallest number of earlier baskets for any test, and of earlier weeks for the frequency test."""
    permutations: int = 1999
    """Number of random permutations. A small `alpha` raises it, up to 20,000."""
    seed: int = 0
    """Seed of the permutations."""
    utc_offset_seconds: int = 0
    """Added to the times before the part of the day is computed."""

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
        """Number of whole weeks of the recent window."""
        return self.recent_days // 7

    @property
    def baseline_weeks(self) -> int:
        """Largest number of whole weeks of the baseline."""
        return self.baseline_days // 7

    @property
    def draws(self) -> int:
        """Number of permutations, large enough that a test can be significant after correction, at most 20,000.

        `permutations` is the lower bound, even if it is larger than 20,000.
        """
        needed = math.ceil(2 * len(ASPECTS) / self.alpha) - 1
        return max(self.permutations, min(needed, MAX_PERMUTATIONS))


@dataclass(frozen=True)
class ChangeReport:
    """The tests of one customer and their results."""

    alpha: float
    """False-alarm rate of the tests together."""
    tests: tuple[ChangeTest, ...]
    """Tests of all aspects with enough data, most significant first; empty for a customer with a short history."""
    recent_baskets: int
    """Number of baskets in the recent window."""
    baseline_baskets: int
    """Number of baskets in the baseline."""

    @property
    def changes(self) -> tuple[ChangeTest, ...]:
        """The significant tests, most significant first."""
        return tuple(test for test in self.tests if test.p_value <= self.alpha)


DEFAULT_SETTINGS = ChangeSettings()


def detect_changes(
    events: Events, categories: Labels, now: int, settings: ChangeSettings = DEFAULT_SETTINGS
) -> ChangeReport:
    """Compare one customer's recent purchases with their earlier purchases.

    The tests of contents and times of day permute baskets, the frequency test permutes weeks. So if the order of a
    history is random, the probability that any change is reported is at most `alpha`. Seasons and trends are reported
    as changes, even if they affect all customers.

    Parameters
    ----------
    events
        The customer's events in any order; only purchases count.
    categories
        Category of each product row.
    now
        End of the recent window in Unix seconds, UTC. Later events are left out.
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
    """Return the number of baskets of each week of both windows since the customer's first purchase, shape (weeks,).

    The partial week of the first purchase is left out, because it always has a purchase.
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
    """Return the tests of all aspects with enough data; p-values are not corrected yet."""
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
