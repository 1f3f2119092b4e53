"""Sets of rows as bit sets: row r is in the set if bit r & 63 of word r >> 6 is 1."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Rows
from shared.compiled import compiled

Words = NDArray[np.uint64]


ZERO, ONE = np.uint64(0), np.uint64(1)
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_SHIFT = np.uint64(58)
_PLACES = np.zeros(64, np.int64)
for _place in range(64):
    _PLACES[((1 << _place) * int(_DE_BRUIJN) & 0xFFFFFFFFFFFFFFFF) >> int(_SHIFT)] = _place


@compiled
def count_bits(words: Words) -> int:
    """Return the number of bits that are 1."""
    n = 0
    for word in words:
        while word != ZERO:
            word &= word - ONE
            n += 1
    return n


@compiled
def lowest_bit(word: int) -> int:
    """Return the position (0 to 63) of the lowest 1 bit of a 64-bit word, which must not be 0.

    Source: Leiserson, Prokop & Randall, "Using de Bruijn sequences to index a 1 in a computer word", MIT 1998.
    """
    return _PLACES[((word & (~word + ONE)) * _DE_BRUIJN) >> _SHIFT]  # type: ignore[no-any-return]


@compiled
def rows_as_bits(rows: Rows, n: int) -> Words:
    """Return a set of rows as a bit set of shape (n // 64 + 1,); every row must be below `n`."""
    words = np.zeros((n >> 6) + 1, np.uint64)
    for row in rows:
        words[row >> 6] |= ONE << np.uint64(row & 63)
    return words
