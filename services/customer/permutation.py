"""Permutation tests: is the recent part of a sequence different from the earlier part?

If the order of the units (baskets, weeks) means nothing, each choice of recent units is as likely as the observed one,
so the rank of the observed statistic among the permuted ones is an exact p-value, whatever the distribution.

Sources: Phipson & Smyth, "Permutation p-values should never be zero", 2010, doi:10.2202/1544-6115.1585;
Holm, "A simple sequentially rejective multiple test procedure", 1979, www.jstor.org/stable/4615733
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Choices = NDArray[np.float32]


def choices(n: int, recent: int, permutations: int, rng: np.random.Generator) -> Choices:
    """Return which units are recent (1, else 0), shape (1 + permutations, n); the first row takes the last ones."""
    drawn = np.zeros((1 + permutations, n), dtype=np.float32)
    drawn[0, n - recent :] = 1.0
    keys = rng.random((permutations, n), dtype=np.float32)
    smallest = np.argpartition(keys, recent - 1, axis=1)[:, :recent]  # a third of the time of shuffling whole rows
    np.put_along_axis(drawn[1:], smallest, np.float32(1.0), axis=1)
    return drawn


def differences(features: FloatArray, chosen: Choices) -> FloatArray:
    """Return mean of the recent minus mean of the other units for each choice, shape (choices, d); features (n, d)."""
    centred = features - features.mean(axis=0)
    recent = chosen[0].sum()
    sums = (chosen @ centred.astype(np.float32)).astype(np.float64)
    return np.asarray(sums / recent + sums / (len(features) - recent), dtype=np.float64)


def p_value(statistics: FloatArray) -> float:
    """Return the share of statistics at least as large as the first, the observed one; ties up to rounding count."""
    tolerance = 1e-5 * max(float(statistics.max()), 1e-30)
    return float(np.mean(statistics >= statistics[0] - tolerance))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the number of tests: rejecting those up to α errs at all with at most α."""
    corrected = [1.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = largest
    return corrected
