"""The largest of many: a heap of those wanted, and searches that need the allowed ones only."""

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask, Rows
from shared.compiled import compiled

DROPPED_BITS = 18
"""Bits of a float32 that `about_largest` does not look at: 32 classes remain to each power of two."""


@compiled
def _sift_up(values: FloatArray, rows: Rows, place: int) -> None:
    """Restore the order of a heap, smallest first, after its entry at `place` became smaller."""
    while place > 0:
        parent = (place - 1) // 2
        if values[parent] <= values[place]:
            return
        values[parent], values[place] = values[place], values[parent]
        rows[parent], rows[place] = rows[place], rows[parent]
        place = parent


@compiled
def _sift_down(values: FloatArray, rows: Rows, n: int) -> None:
    """Restore the order of a heap, smallest first, after its first entry became larger."""
    place = 0
    while True:
        child = 2 * place + 1
        if child >= n:
            return
        if child + 1 < n and values[child + 1] < values[child]:
            child += 1
        if values[place] <= values[child]:
            return
        values[child], values[place] = values[place], values[child]
        rows[child], rows[place] = rows[place], rows[child]
        place = child


@compiled
def offer(values: FloatArray, rows: Rows, n: int, value: float, row: int) -> int:
    """Put an entry into a heap of the largest; return how many entries it has now.

    `values` and `rows` have room for the entries that are wanted; the first `n` are the heap, smallest first.
    """
    if n < len(values):
        values[n] = value
        rows[n] = row
        _sift_up(values, rows, n)
        return n + 1
    if value > values[0]:
        values[0] = value
        rows[0] = row
        _sift_down(values, rows, n)
    return n


@compiled
def ranked(values: FloatArray, rows: Rows) -> tuple[Rows, FloatArray]:
    """Return the entries of a heap with the largest first, rows and values."""
    order = np.argsort(-values)
    return rows[order], values[order]


@compiled
def largest_allowed(rows: Rows, values: FloatArray, allowed: Mask, k: int) -> tuple[Rows, FloatArray]:
    """Return the `k` rows of largest positive value that are allowed, largest first, and their values."""
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    for i in range(len(rows)):
        if values[i] > 0.0 and (n < k or values[i] > best[0]) and allowed[rows[i]]:
            n = offer(best, chosen, n, values[i], rows[i])
    return ranked(best[:n], chosen[:n])


@compiled
def first_allowed(order: Rows, scores: FloatArray, allowed: Mask, k: int) -> Rows:
    """Return the first `k` rows in `order` that are allowed and score above 0; `order` has the best first."""
    chosen = np.empty(k, np.int32)
    n = 0
    for row in order:
        if n == k or scores[row] <= 0.0:
            break
        if allowed[row]:
            chosen[n] = row
            n += 1
    return chosen[:n].copy()


@compiled
def largest_blended(
    order: Rows,
    values: FloatArray,
    factor: float,
    rows: Rows,
    added: FloatArray,
    sums: FloatArray,
    allowed: Mask,
    k: int,
) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed rows of largest factor · value + added, largest first, and these scores.

    `order` has all rows by falling value; `rows` those that get something `added`. `sums` is scratch, all 0 before and
    after.
    """
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    for i in range(len(rows)):
        sums[rows[i]] = added[i]
        score = np.float32(factor) * values[rows[i]] + added[i]
        if allowed[rows[i]] and (n < k or score > best[0]):
            n = offer(best, chosen, n, score, rows[i])
    for row in order:
        score = np.float32(factor) * values[row]
        if score <= 0.0 or (n == k and score <= best[0]):
            break
        if allowed[row] and sums[row] == 0.0:
            n = offer(best, chosen, n, score, row)
    for row in rows:
        sums[row] = 0.0
    return ranked(best[:n], chosen[:n])


@compiled
def about_largest(values: FloatArray, k: int) -> float:
    """Return a value that at least the `k` largest reach, and not many more; 0 where there are no more than `k`.

    Values are counted in classes of the same leading bits, which are 32 to each power of two; negative ones count
    as 0.
    """
    if len(values) <= k:
        return 0.0
    counts = np.zeros(np.int64(1) << (31 - DROPPED_BITS), np.int32)
    bits = values.view(np.int32)
    for i in range(len(bits)):
        counts[max(bits[i], 0) >> DROPPED_BITS] += 1
    total, place = 0, len(counts)
    while total < k:
        place -= 1
        total += counts[place]
    return np.array([place << DROPPED_BITS], np.int32).view(np.float32)[0]  # type: ignore[no-any-return]
