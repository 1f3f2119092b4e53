"""The tests for changes in a customer's purchases, one per aspect: statistic, p-value and description."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.baskets import Baskets
from services.customer.clock import DAYPARTS, WEEK
from services.customer.interests import Labels
from services.customer.permutation import Choices, differences, p_value

FloatArray = NDArray[np.float64]

ASPECTS = ("purchase_frequency", "basket_value", "category_mix", "price_band", "time_of_day")

WEEKS_PER_MONTH = 30 / 7


@dataclass(frozen=True)
class ChangeTest:
    """The comparison of one aspect between the baseline and the recent window."""

    aspect: str
    """One of `ASPECTS`."""
    description: str
    """Sentence for people that says what differs, with units."""
    before: float
    """Value in the baseline, in the units of `description`; a share is from 0 to 1."""
    after: float
    """Value in the recent window, in the same units."""
    raw_p_value: float
    """Without correction."""
    p_value: float = 1.0
    """Corrected for the number of aspects tested (Holm)."""


def weekly_counts(times: NDArray[np.int64], now: int, weeks: int) -> FloatArray:
    """Return the number of baskets in each of the last `weeks` weeks before `now`, the latest last, shape (weeks,)."""
    age = (now - times) // WEEK
    return np.bincount(age[age < weeks], minlength=weeks)[::-1].astype(np.float64)


def frequency_test(counts: FloatArray, chosen: Choices) -> ChangeTest:
    """Test whether the number of purchases per week changed; `counts` has the number of each week, shape (weeks,)."""
    before, after = _means(counts[:, None], chosen) * WEEKS_PER_MONTH
    text = f"purchases in 30 days went from {before[0]:.1f} to {after[0]:.1f}"
    return ChangeTest("purchase_frequency", text, float(before[0]), float(after[0]), _shift_p(counts, chosen))


def content_tests(baskets: Baskets, categories: Labels, chosen: Choices, utc_offset_seconds: int) -> list[ChangeTest]:
    """Test the four aspects of basket contents and times; aspects without known values are left out."""
    tests = [_mean_test("basket_value", "typical basket value", baskets.log_value, chosen)]
    if np.isfinite(baskets.log_price).any():
        tests.append(_mean_test("price_band", "typical price of a unit", baskets.log_price, chosen))
    if len(baskets.codes):
        names = [categories.names[int(code)] for code in baskets.codes]
        tests.append(_share_test("category_mix", baskets.mix, names, chosen))
    tests.append(_share_test("time_of_day", baskets.dayparts(utc_offset_seconds), DAYPARTS, chosen))
    return tests


def _means(features: FloatArray, chosen: Choices) -> FloatArray:
    """Return the means of the features, shape (n, d), over the earlier and over the recent units, shape (2, d)."""
    recent = chosen[0] > 0
    return np.stack([features[~recent].mean(axis=0), features[recent].mean(axis=0)])


def _shift_p(values: FloatArray, chosen: Choices) -> float:
    return p_value(np.abs(differences(values[:, None], chosen)[:, 0]))


def _mean_test(aspect: str, words: str, logarithms: FloatArray, chosen: Choices) -> ChangeTest:
    """Test a positive quantity by the mean of its logarithm, so that one very large basket does not dominate."""
    known = np.where(np.isfinite(logarithms), logarithms, np.nanmean(logarithms))
    before, after = np.expm1(_means(known[:, None], chosen)[:, 0])
    text = f"{words} (geometric mean, minor units) went from {before:.0f} to {after:.0f}"
    return ChangeTest(aspect, text, float(before), float(after), _shift_p(known, chosen))


def _share_test(aspect: str, shares: FloatArray, names: tuple[str, ...] | list[str], chosen: Choices) -> ChangeTest:
    """Test shares that sum to 1, shape (n, d), by a chi-squared distance; describe the share that changed most."""
    expected = np.maximum(shares.mean(axis=0), 1e-9)
    distance = (differences(shares, chosen) ** 2 / expected).sum(axis=1)
    before, after = _means(shares, chosen)
    most = int(np.argmax((after - before) ** 2 / expected))
    words = aspect.replace("_", " ")
    text = f"{words}: the share of {names[most]} went from {before[most]:.0%} to {after[most]:.0%}"
    return ChangeTest(aspect, text, float(before[most]), float(after[most]), p_value(distance))
