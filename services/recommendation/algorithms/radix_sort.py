"""A compiled radix sort for floats, which sorts by the bits of their IEEE 754 representation.

After the bits of the positive numbers are inverted, the bit patterns have the reverse order of the floats.
"""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs
from shared.compiled import compiled

SIGN = np.uint32(1 << 31)
DIGIT_BITS = 8
N_DIGITS = 1 << DIGIT_BITS


@compiled
def falling_keys(values: FloatArray) -> NDArray[np.uint32]:
    """Return an integer key for each value; keys ascend where the values descend, and equal values have equal keys."""
    signed_zeros_made_one = np.empty(len(values), np.float32)
    for i in range(len(values)):
        signed_zeros_made_one[i] = values[i] + np.float32(0.0)
    keys = signed_zeros_made_one.view(np.uint32)
    for i in range(len(keys)):
        if not keys[i] & SIGN:
            keys[i] = ~(keys[i] | SIGN)
    return keys


@compiled
def sort_places(keys: NDArray[np.uint32], places: Longs) -> None:
    """Sort `places` in place by ascending `keys[place]`; places with equal keys keep their order."""
    n = len(places)
    counts = np.zeros((4, N_DIGITS), np.int64)
    for i in range(n):
        key = keys[places[i]]
        for digit in range(4):
            counts[digit, (key >> np.uint32(DIGIT_BITS * digit)) & np.uint32(N_DIGITS - 1)] += 1
    other = np.empty(n, np.int64)
    for digit in range(4):
        if not _all_equal(counts[digit], n):
            _move_by_digit(keys, places, counts[digit], np.uint32(DIGIT_BITS * digit), other)
            for i in range(n):
                places[i] = other[i]


@compiled
def _all_equal(counts: Longs, n: int) -> bool:
    """Return whether all `n` keys have the same digit; `counts` has the number of keys per digit."""
    for digit in range(N_DIGITS):
        if counts[digit]:
            return bool(counts[digit] == n)
    return True


@compiled
def _move_by_digit(keys: NDArray[np.uint32], places: Longs, counts: Longs, shift: np.uint32, moved: Longs) -> None:
    """Write the places to `moved` in order of the digit of their keys; `counts` has the number of keys per digit.

    `shift` is the position of the digit's lowest bit. `counts` is overwritten.
    """
    start = 0
    for digit in range(N_DIGITS):
        count = counts[digit]
        counts[digit] = start
        start += count
    for i in range(len(places)):
        digit = (keys[places[i]] >> shift) & np.uint32(N_DIGITS - 1)
        moved[counts[digit]] = places[i]
        counts[digit] += 1
