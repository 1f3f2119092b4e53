"""Permutation tests of whether the recent part of a sequence differs from the earlier part.

If the order of the units (baskets, weeks) is random, each choice of recent units is as likely as the observed one. So
the rank of the observed statistic among the permuted ones gives an exact p-value for any distribution.

Source: Phipson & Smyth, "Permutation p-values should never be zero", 2010, doi:10.2202/1544-6115.1585
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Choices = NDArray[np.float32]


def choices(n: int, recent: int, permutations: int, rng: np.random.Generator) -> Choices:
    """Return choices of `recent` of `n` units, shape (1 + permutations, n), float32: 1 if the unit is chosen, else 0.

    The first row is the observed choice, the last units. The others are random.
    """
    drawn = np.zeros((1 + permutations, n), dtype=np.float32)
    drawn[0, n - recent :] = 1.0
    keys = rng.random((permutations, n), dtype=np.float32)
    smallest = np.argpartition(keys, recent - 1, axis=1)[:, :recent]  # takes a third of the time of shuffling rows
    np.put_along_axis(drawn[1:], smallest, np.float32(1.0), axis=1)
    return drawn


def differences(features: FloatArray, chosen: Choices) -> FloatArray:
    """Return for each choice the mean over the chosen units minus the mean over the others, shape (choices, d).

    `features` has shape (n, d), one row per unit.
    """
    centred = features - features.mean(axis=0)
    recent = chosen[0].sum()
    sums = (chosen @ centred.astype(np.float32)).astype(np.float64)
    return np.asarray(sums / recent + sums / (len(features) - recent), dtype=np.float64)


def p_value(statistics: FloatArray) -> float:
    """Return the share of the statistics that are at least as large as the first, which is the observed one.

    Statistics that are smaller only by rounding count as ties.
    """
    tolerance = 1e-5 * max(float(statistics.max()), 1e-30)
    return float(np.mean(statistics >= statistics[0] - tolerance))
