"""Selection of the k largest of many values by a bounded heap, restricted to allowed products."""

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask, Rows
from shared.compiled import compiled

DROPPED_BITS = 18
"""Low bits of a float32 that `about_largest` ignores, which leaves 32 classes of values per power of two."""


@compiled
def _sift_up(values: FloatArray, rows: Rows, place: int) -> None:
    """Restore the order of a min-heap after its entry at `place` became smaller."""
    while place > 0:
        parent = (place - 1) // 2
        if values[parent] <= values[place]:
            return
        values[parent], values[place] = values[place], values[parent]
        rows[parent], rows[place] = rows[place], rows[parent]
        place = parent


@compiled
def _sift_down(values: FloatArray, rows: Rows, n: int) -> None:
    """Restore the order of a min-heap of `n` entries after its first entry became larger."""
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
    """Offer an entry to a heap that keeps the largest entries; return the number of entries it has now.

    `values` and `rows` have the length of the full heap. Their first `n` entries are the heap, a min-heap. If the heap
    is full, the new entry replaces the smallest, or is dropped if it is not larger.
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
    """Return the rows and the values of a heap, largest value first."""
    order = np.argsort(-values)
    return rows[order], values[order]


@compiled
def largest_allowed(rows: Rows, values: FloatArray, allowed: Mask, k: int) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed rows with the largest positive values, and these values, largest first."""
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    for i in range(len(rows)):
        if values[i] > 0.0 and (n < k or values[i] > best[0]) and allowed[rows[i]]:
            n = offer(best, chosen, n, values[i], rows[i])
    return ranked(best[:n], chosen[:n])


@compiled
def first_allowed(order: Rows, scores: FloatArray, allowed: Mask, k: int) -> Rows:
    """Return the first `k` rows of `order` that are allowed and score above 0; `order` has the best row first."""
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
    """Return the `k` allowed rows with the largest scores factor · value + added, and these scores, largest first.

    `order` has all rows by falling value. `added` has the added value of each of `rows`; other rows get 0. `sums` is a
    scratch array of at least n_products entries, all 0 before and after the call.
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
    """Return a threshold that at least `k` of the values reach, and not many more; 0 if there are at most `k` values.

    Values with the same leading bits form a class, 32 classes per power of two. The threshold is the lower end of a
    class. Negative values count as 0.
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
