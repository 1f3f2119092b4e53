"""Sets of rows as bit sets: row r is in the set if bit r & 63 of word r >> 6 is 1."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Longs, Rows
from shared.compiled import compiled

Words = NDArray[np.uint64]


ZERO, ONE = np.uint64(0), np.uint64(1)
_DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
_SHIFT = np.uint64(58)
_PLACES = np.zeros(64, np.int64)
for _place in range(64):
    _PLACES[((1 << _place) * int(_DE_BRUIJN) & 0xFFFFFFFFFFFFFFFF) >> int(_SHIFT)] = _place


@compiled
def _count(word: np.uint64) -> int:
    """Return the number of 1 bits of a 64-bit word."""
    n = 0
    while word != ZERO:
        word &= word - ONE
        n += 1
    return n


@compiled
def count_bits(words: Words) -> int:
    """Return the number of bits that are 1."""
    n = 0
    for word in words:
        n += _count(word)
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


@compiled
def distinct(rows: Rows) -> Rows:
    """Return the distinct rows, ascending, as `np.unique` does in time that grows with the largest row."""
    return _listed(rows_as_bits(rows, _end(rows)))


@compiled
def distinct_with_places(rows: Rows) -> tuple[Rows, Longs]:
    """Return the distinct rows, ascending, and the position of each of `rows` among them, shape (len(rows),)."""
    words = rows_as_bits(rows, _end(rows))
    before = np.empty(len(words), np.int64)
    n = 0
    for place in range(len(words)):
        before[place] = n
        n += _count(words[place])
    places = np.empty(len(rows), np.int64)
    for i in range(len(rows)):
        place, bit = rows[i] >> 6, np.uint64(rows[i] & 63)
        places[i] = before[place] + _count(words[place] & ((ONE << bit) - ONE))
    return _listed(words), places


@compiled
def last_positions(rows: Rows) -> Longs:
    """Return the positions, ascending, at which each value of `rows` occurs last."""
    words = np.zeros((_end(rows) >> 6) + 1, np.uint64)
    positions = np.empty(len(rows), np.int64)
    first = len(rows)
    for i in range(len(rows) - 1, -1, -1):
        place, bit = rows[i] >> 6, ONE << np.uint64(rows[i] & 63)
        if words[place] & bit == ZERO:
            words[place] |= bit
            first -= 1
            positions[first] = i
    return positions[first:]


@compiled
def _end(rows: Rows) -> int:
    """Return the largest row plus 1, 0 for no rows. Raises ValueError for a row below 0."""
    end = 0
    for row in rows:
        if row < 0:
            raise ValueError("rows must not be negative")
        end = max(end, row + 1)
    return end


@compiled
def _listed(words: Words) -> Rows:
    """Return the rows of a bit set, ascending."""
    rows = np.empty(count_bits(words), np.int32)
    n = 0
    for place in range(len(words)):
        word = words[place]
        while word != ZERO:
            rows[n] = (place << 6) + lowest_bit(word)
            word &= word - ONE
            n += 1
    return rows
