"""Drift of inputs: whether a day's shares, such as those of categories, differ from those of the days before.

The size of a shift is the population stability index, Σ (a − r) ln(a / r) over values, of the day's shares a and the
reference's r: below .1 little, above .25 much by custom. Whether it is beyond chance is told by the days themselves.
They differ by more than the multinomial distribution says, as by weekdays. So the day's χ² a degree of freedom is
compared with those of the reference days, each against the others: on the logarithmic scale, by Student's t.

Sources: Yurdakul, "Statistical properties of population stability index", Western Michigan University 2018, which
shows that the index is χ² / n in large samples; Lin, "Divergence measures based on the Shannon entropy", IEEE
Transactions on Information Theory 37 (1991), doi:10.1109/18.61115
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

Floats = NDArray[np.float64]
LEAST_DAYS = 7
"""Reference days below which nothing is said."""
LEAST_EXPECTED = 5.0
"""Count that a value is expected to have on the day; rarer ones are counted together."""


@dataclass(frozen=True)
class Shift:
    """How far a day's shares are from those before.

    Parameters
    ----------
    index : float
        Population stability index, from 0.
    divergence : float
        Jensen–Shannon divergence in bits, 0 to 1.
    p_value : float
        One-sided, of as large a shift among days like the reference's.
    moved : int
        Column of the value that adds most to the index; -1 for those that were counted together.
    """

    index: float
    divergence: float
    p_value: float
    moved: int


def population_shift(reference: ArrayLike, day: ArrayLike) -> Shift | None:
    """Return how far a day is from the days before; None where too little is known.

    Parameters
    ----------
    reference : array_like of shape (n_days, n_values)
        Counts of each day before.
    day : array_like of shape (n_values,)
        Counts of the day.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a count is negative.
    """
    before, now = np.asarray(reference, np.float64), np.asarray(day, np.float64)
    if before.ndim != 2 or now.shape != before.shape[1:]:
        raise ValueError(f"day: must have the columns of reference, {before.shape}, got shape {now.shape}")
    if min(before.min(initial=0.0), now.min(initial=0.0)) < 0:
        raise ValueError("reference, day: counts must not be negative")
    before = before[before.sum(axis=1) > 0]
    if len(before) < LEAST_DAYS or not now.sum():
        return None
    columns, before, now = _pooled(before, now)
    if len(now) < 2:
        return None
    whole = before.sum(axis=0)
    of_days = np.array([_chi_squared(each, whole - each) for each in before])
    parts = _index_parts(now, whole)
    return Shift(
        float(parts.sum()),
        divergence(now, whole),
        _p_value(_chi_squared(now, whole), of_days),
        int(columns[int(parts.argmax())]),
    )


def divergence(one: Floats, other: Floats) -> float:
    """Return the Jensen–Shannon divergence of two vectors of counts in bits: 0 for the same shares, 1 without overlap.

    Raises
    ------
    ValueError
        If one of them has no count.
    """
    if not (one.sum() > 0 and other.sum() > 0):
        raise ValueError("one, other: must each have a count")
    shares = [each / each.sum() for each in (one, other)]
    mean = (shares[0] + shares[1]) / 2
    return float(sum(_relative_entropy(each, mean) for each in shares) / 2)


def _pooled(before: Floats, now: Floats) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return the columns with enough counts, and in a last one, -1, the sum of the others where there are any."""
    expected = (before.sum(axis=0) + now) / (before.sum() + now.sum()) * now.sum()
    common = expected >= LEAST_EXPECTED
    columns = np.flatnonzero(common)
    kept = [
        np.concatenate([each[..., common], each[..., ~common].sum(axis=-1, keepdims=True)], axis=-1)
        for each in (before, now)
    ]
    if kept[0][:, -1].sum() + kept[1][-1] > 0:
        return np.append(columns, -1), kept[0], kept[1]
    return columns, kept[0][:, :-1], kept[1][:-1]


def _index_parts(now: Floats, whole: Floats) -> Floats:
    """Return what each value adds to the index. Half a count more of each keeps it finite."""
    a, r = ((each + 0.5) / (each + 0.5).sum() for each in (now, whole))
    parts: Floats = (a - r) * np.log(a / r)
    return parts


def _chi_squared(one: Floats, other: Floats) -> float:
    """Return χ² a degree of freedom of two vectors of counts having the same shares."""
    both = one + other
    expected = [both * each.sum() / both.sum() for each in (one, other)]
    known = both > 0
    squares = sum(((each - e)[known] ** 2 / e[known]).sum() for each, e in zip((one, other), expected, strict=True))
    return float(squares) / max(int(known.sum()) - 1, 1)


def _p_value(today: float, of_days: Floats) -> float:
    logs = np.log(np.maximum(of_days, 1e-3))
    spread = max(float(logs.std(ddof=1)), _LEAST_SPREAD) * np.sqrt(1 + 1 / len(logs))
    return float(student.sf((np.log(max(today, 1e-3)) - logs.mean()) / spread, len(logs) - 1))


_LEAST_SPREAD = 0.1
"""Of the logarithms: days that happen to be as different from one another all make no alarm of a hair's breadth."""


def _relative_entropy(shares: Floats, mean: Floats) -> float:
    there = shares > 0
    return float((shares[there] * np.log2(shares[there] / mean[there])).sum())
