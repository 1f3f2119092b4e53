"""The compiled loops of retrieval: sums over neighbour lists, the best of many, inner products with bounds."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Mask, Rows
from shared.compiled import compiled, compiled_sums

FIRST_OF_EACH = 4
"""Products that are looked at before the others, for each that is wanted: those that get most added."""
BLOCK_BITS = 8
"""Of 2^8 vectors in a row the largest length is kept."""
SLACK = np.float32(1e-5)
"""Share by which a bound is raised, so that rounding leaves nothing out."""

ZERO_SUM = np.float32(1e-38)
"""Stands for a sum of exactly 0, where 0 says that nothing was added yet."""
LEAST_SUM = np.float32(1e-37)
"""Sums up to this are 0."""


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

    `sums` must be 0 where nothing was added yet; the columns that got anything are listed in `touched`, which has room
    for one entry more: it is written without a test, for a branch here is mispredicted all the time.
    """
    n = 0
    for i in range(len(rows)):
        weight = weights[i]
        for at in range(indptr[rows[i]], indptr[rows[i] + 1]):
            column = indices[at]
            value = np.float32(data[at]) * weight
            before = sums[column]
            touched[n] = column
            n += (before == 0.0) & (value != 0.0)
            sums[column] = before + value
            if before + value == 0.0 and value != 0.0:  # an exact zero would be listed a second time
                sums[column] = ZERO_SUM
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
        if value > LEAST_SUM and value >= least:
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
def _largest_sums(sums: FloatArray, columns: Rows, best: FloatArray, chosen: Rows) -> Rows:
    """Return those of the columns, more than `chosen` has room for, whose sums are of largest magnitude."""
    n = 0
    for column in columns:
        magnitude = abs(sums[column])
        if n < len(best) or magnitude > best[0]:
            n = _offer(best, chosen, n, magnitude, column)
    return chosen


@compiled
def largest_of_product(
    left: tuple[AnyArray, AnyArray, AnyArray],
    right: tuple[AnyArray, AnyArray, AnyArray],
    begin: int,
    end: int,
    k: int,
    own: bool,
    sums: FloatArray,
    touched: Rows,
) -> tuple[Rows, FloatArray, Rows]:
    """Return the `k` entries of largest magnitude of each row of a product of matrices, from row `begin` to `end`.

    Parameters
    ----------
    left, right : tuple of ndarray
        `indptr`, `indices` and `data` of the CSR matrices.
    begin, end : int
    k : int
    own : bool
        Whether a row's entry in the column of the same number counts.
    sums, touched : ndarray
        Scratch, as `add_rows` takes it; `sums` is 0 before and after.

    Returns
    -------
    columns, values : ndarray of shape (n,)
        Row by row, unordered.
    lengths : ndarray of shape (end - begin,), int32
        Entries of each row.
    """
    columns = np.empty((end - begin) * k, np.int32)
    values = np.empty((end - begin) * k, np.float32)
    lengths = np.zeros(end - begin, np.int32)
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    total = 0
    for row in range(begin, end):
        first, last = left[0][row], left[0][row + 1]
        n = add_rows(right[0], right[1], right[2], left[1][first:last], left[2][first:last], sums, touched)
        if not own:
            sums[row] = 0.0
        for column in touched[:n] if n <= k else _largest_sums(sums, touched[:n], best, chosen):
            if abs(sums[column]) > LEAST_SUM:
                columns[total] = column
                values[total] = sums[column]
                total += 1
                lengths[row - begin] += 1
        for column in touched[:n]:
            sums[column] = 0.0
    return columns[:total].copy(), values[:total].copy(), lengths


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
def dot(point: FloatArray, vector: AnyArray) -> float:
    """Return the inner product of two vectors of one length; the second may be of int8."""
    total = np.float32(0.0)
    for d in range(len(point)):
        total += point[d] * np.float32(vector[d])
    return total  # type: ignore[return-value]  # a float32 inside the compiled loop


@compiled
def dots(point: FloatArray, vectors: AnyArray, scale: FloatArray, slots: AnyArray, sums: FloatArray) -> FloatArray:
    """Return `sums` plus scale · (point · vector) for the given slots, shape (n,); slot -1 has no vector."""
    found = sums.copy()
    for i in range(len(slots)):
        slot = slots[i]
        if slot >= 0:
            found[i] += scale[slot] * dot(point, vectors[slot])
    return found


@compiled
def sum_vectors(vectors: AnyArray, scale: FloatArray, slots: AnyArray, weights: FloatArray) -> FloatArray:
    """Return the sum of weight · scale · vector over the given slots, shape (d,), float32."""
    total = np.zeros(vectors.shape[1], np.float32)
    for i in range(len(slots)):
        weight = weights[i] * scale[slots[i]]
        vector = vectors[slots[i]]
        for d in range(len(total)):
            total[d] += weight * np.float32(vector[d])
    return total


@compiled
def given_by(vectors: AnyArray, scale: FloatArray, slots: AnyArray, slot: int) -> FloatArray:
    """Return the inner product of the vector of `slot` with those of the given slots, scales included, shape (n,)."""
    target = vectors[slot].astype(np.float32) * scale[slot]
    return dots(target, vectors, scale, slots, np.zeros(len(slots), np.float32))


@compiled
def lengths_of(vectors: AnyArray, scale: FloatArray) -> FloatArray:
    """Return scale · length of each vector, shape (m,), float32."""
    lengths = np.empty(len(vectors), np.float32)
    for slot in range(len(vectors)):
        square = 0.0
        for d in range(vectors.shape[1]):
            square += np.float64(vectors[slot, d]) ** 2
        lengths[slot] = np.sqrt(square) * scale[slot]
    return lengths


@compiled
def largest_of_blocks(lengths: FloatArray) -> FloatArray:
    """Return the largest of each 2^`BLOCK_BITS` lengths in a row: few numbers, which stay in the fastest cache."""
    largest = np.zeros((len(lengths) >> BLOCK_BITS) + 1, np.float32)
    for slot in range(len(lengths)):
        largest[slot >> BLOCK_BITS] = max(largest[slot >> BLOCK_BITS], lengths[slot])
    return largest


@compiled
def _offer_touched(
    point: FloatArray,
    vectors: AnyArray,
    scale: FloatArray,
    lengths: FloatArray,
    block_lengths: FloatArray,
    touched: Rows,
    added: FloatArray,
    slots: AnyArray,
    allowed: Mask,
    whole: float,
    least: float,
    low: float,
    high: float,
    best: FloatArray,
    chosen: Rows,
    n: int,
) -> int:
    """Offer the products that get from `low` to below `high` added and that no bound rules out; return the entries.

    What lies far apart in memory is read last.
    """
    for i in range(len(touched)):
        value = added[i]
        if value < low or value >= high:
            continue
        full = n == len(best)
        slot = slots[touched[i]]
        if slot >= 0:
            if full and value + whole * block_lengths[slot >> BLOCK_BITS] <= best[0]:
                continue
            if full and value + whole * lengths[slot] <= best[0]:
                continue
            value += scale[slot] * dot(point, vectors[slot])
        if value >= least and value > 0.0 and allowed[touched[i]]:
            n = _offer(best, chosen, n, value, touched[i])
    return n


@compiled
def largest_dots(
    point: FloatArray,
    vectors: AnyArray,
    scale: FloatArray,
    lengths: FloatArray,
    block_lengths: FloatArray,
    order: Rows,
    rows: Rows,
    touched: Rows,
    added: FloatArray,
    slots: AnyArray,
    allowed: Mask,
    k: int,
    least: float,
) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed products of largest added + scale · (point · vector), exactly, largest first.

    The products that get most added are looked at first, which makes the bound tight: no product is looked at of which
    what is added and the length of the vector bound the score below the k-th best so far (Cauchy-Schwarz). Those that
    get nothing come in falling order of that length, and the search ends where it alone does.

    Source: Teflioudi, Gemulla & Mykytiuk, "LEMP: fast retrieval of large entries in a matrix product", SIGMOD 2015,
    doi:10.1145/2723372.2747647

    Parameters
    ----------
    point : ndarray of shape (d,), float32
        The shopper's vector.
    vectors : ndarray of shape (m, d), int8 or float32
        The vectors of the products.
    scale, lengths : ndarray of shape (m,), float32
        The positive factor of each vector, and that factor times its length.
    block_lengths : ndarray, float32
        `largest_of_blocks(lengths)`.
    order, rows : ndarray of shape (m,), int32
        Slots by falling `lengths`, and the product row of each slot.
    touched, added : ndarray of shape (n,), int32 and float32
        The products that get something added, and what, above 0.
    slots : ndarray of shape (n_products,), int32
        Slot of each product row, -1 for none.
    allowed : ndarray of shape (n_products,), bool
    k : int
    least : float
        Scores below are left out.
    """
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    whole = np.sqrt(dot(point, point)) * (1 + SLACK)
    edge = _kth_largest(added, k * FIRST_OF_EACH)
    for low, high in ((edge, np.inf), (0.0, edge)):
        n = _offer_touched(
            point,
            vectors,
            scale,
            lengths,
            block_lengths,
            touched,
            added,
            slots,
            allowed,
            whole,
            least,
            low,
            high,
            best,
            chosen,
            n,
        )
    had_its_turn = _bits(touched, len(slots))
    for slot in order:
        bound = whole * lengths[slot]
        if bound < least or (n == k and bound <= best[0]):
            break
        row = rows[slot]
        if not allowed[row] or had_its_turn[row >> 6] >> np.uint64(row & 63) & np.uint64(1):
            continue
        value = scale[slot] * dot(point, vectors[slot])
        if value >= least and value > 0.0:
            n = _offer(best, chosen, n, value, row)
    ranking = np.argsort(-best[:n])
    return chosen[:n][ranking], best[:n][ranking]


@compiled
def _bits(rows: Rows, n: int) -> NDArray[np.uint64]:
    """Return a set of rows below `n`: bit row & 63 of word row >> 6 is 1 for each."""
    words = np.zeros((n >> 6) + 1, np.uint64)
    for row in rows:
        words[row >> 6] |= np.uint64(1) << np.uint64(row & 63)
    return words


@compiled
def _kth_largest(values: FloatArray, k: int) -> float:
    """Return the `k`-th largest value, or the smallest where there are fewer; 0 for none."""
    if not len(values):
        return 0.0
    best = np.empty(min(k, len(values)), np.float32)
    places = np.empty(len(best), np.int32)
    n = 0
    for i in range(len(values)):
        if n < len(best) or values[i] > best[0]:
            n = _offer(best, places, n, values[i], i)
    return best[0]  # type: ignore[no-any-return]


@compiled
def largest_products(
    products: FloatArray, scale: FloatArray, rows: Rows, sums: FloatArray, allowed: Mask, k: int, least: float
) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed products of largest sum + scale · inner product, largest first, and these scores.

    Parameters
    ----------
    products, scale : ndarray of shape (m,), float32
        Inner product of each slot, and its factor.
    rows : ndarray of shape (m,), int32
        The product of each slot.
    sums : ndarray of shape (n_products,), float32
        What is added to each product.
    allowed : ndarray of shape (n_products,), bool
    k : int
    least : float
        Scores below are left out.
    """
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    for slot in range(len(products)):
        row = rows[slot]
        value = sums[row] + scale[slot] * products[slot]
        if (n < k or value > best[0]) and value >= least and value > 0.0 and allowed[row]:
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
def nearest_sessions(sums: FloatArray, touched: Rows, k: int) -> Rows:
    """Return the `k` touched sessions of largest sum, the later ones first among equals, in falling order of number."""
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    for session in touched:
        if n < k or sums[session] > best[0]:
            n = _offer(best, chosen, n, sums[session], session)
    if n < k or n == len(touched):
        return np.sort(touched)[::-1].copy()
    least = best[0]
    larger = touched[sums[touched] > least]
    equal = np.sort(touched[sums[touched] == least])[::-1]
    return np.sort(np.concatenate((larger, equal[: k - len(larger)])))[::-1].copy()


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


@compiled
def agreeing(
    indptr: AnyArray,
    indices: AnyArray,
    data: AnyArray,
    rows: AnyArray,
    weights: AnyArray,
    columns: AnyArray,
    column_weights: FloatArray,
) -> FloatArray:
    """Return for each weighted row of a CSR matrix its inner product with a sparse vector, shape (len(rows),)."""
    found = np.zeros(len(rows), np.float32)
    for i in range(len(rows)):
        begin, end = indptr[rows[i]], indptr[rows[i] + 1]
        for j in range(len(columns)):
            at = begin + first_from(indices[begin:end], columns[j])
            if at < end and indices[at] == columns[j]:
                found[i] += np.float32(data[at]) * column_weights[j]
        found[i] *= weights[i]
    return found
