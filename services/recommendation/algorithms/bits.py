"""Sets of rows as bits: bit r & 63 of word r >> 6 stands for row r."""

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
    """Return how many bits are 1."""
    n = 0
    for word in words:
        while word != ZERO:
            word &= word - ONE
            n += 1
    return n


@compiled
def lowest_bit(word: int) -> int:
    """Return the place of the lowest bit of a word of 64 bits that is not 0.

    Source: Leiserson, Prokop & Randall, "Using de Bruijn sequences to index a 1 in a computer word", MIT 1998.
    """
    return _PLACES[((word & (~word + ONE)) * _DE_BRUIJN) >> _SHIFT]  # type: ignore[no-any-return]


@compiled
def rows_as_bits(rows: Rows, n: int) -> Words:
    """Return a set of rows below `n`: bit row & 63 of word row >> 6 is 1 for each."""
    words = np.zeros((n >> 6) + 1, np.uint64)
    for row in rows:
        words[row >> 6] |= ONE << np.uint64(row & 63)
    return words
