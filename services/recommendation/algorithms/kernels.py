"""The compiled loops of retrieval: sums over neighbour lists, the best of many, inner products with bounds."""

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Mask, Rows
from shared.compiled import compiled, compiled_sums

HEAD = 32
"""Leading dimensions whose inner product is computed before the bound of the others is looked at."""
FIRST = 300
"""Longest vectors that are looked at before all else: they make the bound tight early."""
SLACK = np.float32(1e-5)
"""Share by which a bound is raised, so that rounding leaves nothing out."""


@compiled
def add_rows(
    indptr: AnyArray,
    indices: AnyArray,
    data: AnyArray,
    rows: AnyArray,
    weights: AnyArray,
    sums: FloatArray,
    touched: Rows,
) -> int:
    """Add rows of a CSR matrix, each times its weight, into `sums`; return how many columns were touched.

    `sums` must be 0 where nothing was added yet; the columns that got anything are listed in `touched`.
    """
    n = 0
    for i in range(len(rows)):
        weight = weights[i]
        for at in range(indptr[rows[i]], indptr[rows[i] + 1]):
            column = indices[at]
            value = np.float32(data[at]) * weight
            if value == 0.0:
                continue
            if sums[column] == 0.0:
                touched[n] = column
                n += 1
            sums[column] += value
            if sums[column] == 0.0:  # an exact zero would be listed a second time
                sums[column] = np.float32(1e-38)
    return n


@compiled
def take_sums(sums: FloatArray, touched: Rows, n: int, least: float) -> tuple[Rows, FloatArray]:
    """Return the columns with a sum of at least `least` above 0 and their sums, and set all sums back to 0."""
    rows = np.empty(n, np.int32)
    values = np.empty(n, np.float32)
    count = 0
    for i in range(n):
        column = touched[i]
        value = sums[column]
        sums[column] = 0.0
        if value > 1e-37 and value >= least:
            rows[count] = column
            values[count] = value
            count += 1
    return rows[:count].copy(), values[:count].copy()


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
def _offer(values: FloatArray, rows: Rows, n: int, value: float, row: int) -> int:
    """Put an entry into a heap of the largest; return how many entries it has now."""
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
def largest_allowed(rows: Rows, values: FloatArray, allowed: Mask, k: int) -> tuple[Rows, FloatArray]:
    """Return the `k` rows of largest positive value that are allowed, largest first, and their values."""
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    for i in range(len(rows)):
        if values[i] > 0.0 and (n < k or values[i] > best[0]) and allowed[rows[i]]:
            n = _offer(best, chosen, n, values[i], rows[i])
    order = np.argsort(-best[:n])
    return chosen[:n][order], best[:n][order]


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
            n = _offer(best, chosen, n, score, rows[i])
    for row in order:
        score = np.float32(factor) * values[row]
        if score <= 0.0 or (n == k and score <= best[0]):
            break
        if allowed[row] and sums[row] == 0.0:
            n = _offer(best, chosen, n, score, row)
    for row in rows:
        sums[row] = 0.0
    ranking = np.argsort(-best[:n])
    return chosen[:n][ranking], best[:n][ranking]


@compiled
def pick(rows: Rows, values: FloatArray, wanted: Rows, slots: Rows) -> FloatArray:
    """Return the value of each of the `wanted` rows, 0 for one that is not in `rows`.

    `slots` is scratch of the catalogue's size, -1 everywhere before and after.
    """
    found = np.zeros(len(wanted), np.float32)
    for place in range(len(wanted)):
        slots[wanted[place]] = place
    for i in range(len(rows)):
        place = slots[rows[i]]
        if place >= 0:
            found[place] = values[i]
    for row in wanted:
        slots[row] = -1
    return found


@compiled_sums
def _dot(left: FloatArray, right: FloatArray) -> float:
    """Return the inner product of two vectors of one length."""
    total = np.float32(0.0)
    for d in range(len(left)):
        total += left[d] * right[d]
    return total  # type: ignore[return-value]  # a float32 inside the compiled loop


@compiled
def dots(point: FloatArray, factors: FloatArray, scale: FloatArray, slots: AnyArray, sums: FloatArray) -> FloatArray:
    """Return `sums` plus scale · (point · factors) for the given slots, shape (n,); slot -1 has no factors."""
    found = sums.copy()
    for i in range(len(slots)):
        slot = slots[i]
        if slot >= 0:
            found[i] += scale[slot] * _dot(point, factors[slot])
    return found


@compiled
def _offer_longest(
    point: FloatArray,
    factors: FloatArray,
    scale: FloatArray,
    longest: Rows,
    rows: Rows,
    sums: FloatArray,
    allowed: Mask,
    least: float,
    best: FloatArray,
    chosen: Rows,
) -> int:
    """Offer the products of the longest vectors to the heap of the best; return how many entries it has."""
    n = 0
    for slot in longest:
        row = rows[slot]
        if allowed[row]:
            value = sums[row] + scale[slot] * _dot(point, factors[slot])
            if value >= least and value > 0.0:
                n = _offer(best, chosen, n, value, row)
    return n


@compiled
def _offer_touched(
    point: FloatArray,
    factors: FloatArray,
    scale: FloatArray,
    lengths: FloatArray,
    touched: Rows,
    added: FloatArray,
    slots: AnyArray,
    allowed: Mask,
    whole: float,
    least: float,
    first: float,
    best: FloatArray,
    chosen: Rows,
    n: int,
) -> int:
    """Offer the products that get something added, but for those of the longest vectors; return the heap's entries."""
    for i in range(len(touched)):
        value = added[i]
        if n == len(best) and value + whole * first <= best[0]:
            continue
        row = touched[i]
        slot = slots[row]
        if not allowed[row] or (slot >= 0 and lengths[slot] >= first):
            continue
        if slot >= 0:
            if n == len(best) and value + whole * lengths[slot] <= best[0]:
                continue
            value += scale[slot] * _dot(point, factors[slot])
        if value >= least and value > 0.0:
            n = _offer(best, chosen, n, value, row)
    return n


@compiled
def largest_dots(
    point: FloatArray,
    factors: FloatArray,
    scale: FloatArray,
    lengths: FloatArray,
    tails: FloatArray,
    order: Rows,
    rows: Rows,
    sums: FloatArray,
    touched: Rows,
    added: FloatArray,
    slots: AnyArray,
    allowed: Mask,
    k: int,
    least: float,
) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed products of largest sum + scale · (point · factors), exactly, largest first.

    Products come in falling order of the length of their vector; the search ends where that length alone bounds the
    score below the k-th best so far (Cauchy-Schwarz), and leaves a product out half-way where its leading dimensions
    and the length of the rest do.

    Source: Li, Chan, Yiu & Mamoulis, "FEXIPRO: fast and exact inner product retrieval in recommender systems",
    SIGMOD 2017, doi:10.1145/3035918.3064009

    Parameters
    ----------
    point : ndarray of shape (d,), float32
        The shopper's vector.
    factors, scale : ndarray of shape (m, d) and (m,), float32
        The vectors of the products and the positive factor of each.
    lengths, tails : ndarray of shape (m,), float32
        scale · length of each vector, and scale · length of its dimensions from `HEAD` on.
    order, rows : ndarray of shape (m,), int32
        Slots by falling `lengths`, and the product row of each slot.
    sums : ndarray of shape (n_products,), float32
        What is added to each product.
    touched, added : ndarray of shape (n,), int32 and float32
        The products that get something added, and what.
    slots : ndarray of shape (n_products,), int32
        Slot of each product row, -1 for none.
    allowed : ndarray of shape (n_products,), bool
    k : int
    least : float
        Scores below are left out.
    """
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    head = min(HEAD, len(point))
    whole = np.sqrt(_dot(point, point)) * (1 + SLACK)
    rest = np.sqrt(_dot(point[head:], point[head:])) * (1 + SLACK)
    # products as long as the last of the longest are looked at with them, so that a length says who was
    first = float(lengths[order[min(FIRST, len(order)) - 1]]) if len(order) else 0.0
    n_first = 0
    while n_first < len(order) and lengths[order[n_first]] >= first:
        n_first += 1
    n = _offer_longest(point, factors, scale, order[:n_first], rows, sums, allowed, least, best, chosen)
    n = _offer_touched(
        point, factors, scale, lengths, touched, added, slots, allowed, whole, least, first, best, chosen, n
    )
    for slot in order[n_first:]:
        bound = whole * lengths[slot]
        if bound < least or (n == k and bound <= best[0]):
            break
        row = rows[slot]
        if not allowed[row] or sums[row] != 0.0:
            continue
        value = scale[slot] * _dot(point[:head], factors[slot, :head])
        if n == k and value + rest * tails[slot] <= best[0]:
            continue
        value += scale[slot] * _dot(point[head:], factors[slot, head:])
        if value >= least and value > 0.0:
            n = _offer(best, chosen, n, value, row)
    ranking = np.argsort(-best[:n])
    return chosen[:n][ranking], best[:n][ranking]


@compiled
def vote_sessions(
    indptr: AnyArray,
    indices: AnyArray,
    running: Rows,
    sums: FloatArray,
    latest: Rows,
    touched: Rows,
) -> int:
    """Add for each session that shares a product with the running one the weight of that product; return the count.

    The product at place p of n (from 1) weighs p / n; `latest` gets the largest place that each session shares.
    """
    n = 0
    for i in range(len(running)):
        weight = np.float32(i + 1) / np.float32(len(running))
        for at in range(indptr[running[i]], indptr[running[i] + 1]):
            session = indices[at]
            if sums[session] == 0.0:
                touched[n] = session
                n += 1
            sums[session] += weight
            latest[session] = i + 1
    return n


@compiled
def first_from(values: AnyArray, value: int) -> int:
    """Return the first place in ascending values that holds `value` or more."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def given_to(
    indptr: AnyArray, indices: AnyArray, data: AnyArray, rows: AnyArray, weights: AnyArray, column: int
) -> FloatArray:
    """Return what each of the weighted rows of a CSR matrix gives to one column, shape (len(rows),)."""
    given = np.zeros(len(rows), np.float32)
    for i in range(len(rows)):
        begin, end = indptr[rows[i]], indptr[rows[i] + 1]
        at = begin + first_from(indices[begin:end], column)
        if at < end and indices[at] == column:
            given[i] = np.float32(data[at]) * weights[i]
    return given
