"""Inner products with the vectors of all products, and exact top-k searches that skip products by upper bounds."""

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Mask, Rows
from services.recommendation.algorithms.bits import ONE, rows_as_bits
from services.recommendation.algorithms.largest import about_largest, offer, ranked
from shared.compiled import compiled, compiled_sums

FIRST_OF_EACH = 4
"""Number of products per wanted product that a search reads first: those with the largest added scores."""
BLOCK_BITS = 8
"""Slots are grouped in blocks of 2^8; the largest length of each block is stored."""
SLACK = np.float32(1e-5)
"""Share by which an upper bound is raised, so that rounding errors exclude no product."""


@compiled_sums
def dot(point: FloatArray, vector: AnyArray) -> float:
    """Return the inner product of two vectors of the same length; the second may have the type int8."""
    total = np.float32(0.0)
    for d in range(len(point)):
        total += point[d] * np.float32(vector[d])
    return total  # type: ignore[return-value]  # a float32 inside the compiled loop


@compiled
def dots(point: FloatArray, vectors: AnyArray, scale: FloatArray, slots: AnyArray, sums: FloatArray) -> FloatArray:
    """Return `sums` plus scale · (point · vector) for the given slots, shape (n,); slot -1 adds nothing."""
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
    """Return the inner products of the vector of `slot` with those of the given slots, scales included, shape (n,)."""
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
    """Return the largest length of each block of 2^`BLOCK_BITS` slots; so few numbers stay in the fastest cache."""
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
    """Offer to the heap the products with an added score from `low` to below `high` that no upper bound excludes.

    Returns the number of entries of the heap. The bound by block is tested before the bound by slot, and the vector is
    read last, because those arrays are larger and reads from them are spread over more memory.
    """
    for i in range(len(touched)):
        value = added[i]
        if value < low or value >= high or not allowed[touched[i]]:
            continue
        full = n == len(best)
        slot = slots[touched[i]]
        if slot >= 0:
            if full and value + whole * block_lengths[slot >> BLOCK_BITS] <= best[0]:
                continue
            if full and value + whole * lengths[slot] <= best[0]:
                continue
            value += scale[slot] * dot(point, vectors[slot])
        if value >= least and value > 0.0:
            n = offer(best, chosen, n, value, touched[i])
    return n


@compiled
def largest_dots(
    point: FloatArray,
    vectors: AnyArray,
    scale: FloatArray,
    lengths: FloatArray,
    block_lengths: FloatArray,
    order: Rows,
    falling_lengths: FloatArray,
    rows_by_length: Rows,
    touched: Rows,
    added: FloatArray,
    slots: AnyArray,
    allowed: Mask,
    k: int,
    least: float,
) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed products with the largest scores added + scale · (point · vector), and these scores.

    The result is exact, largest first. By the Cauchy-Schwarz inequality a score is at most added + ‖point‖ · length. A
    product is skipped if this bound is not above the k-th best score so far. Products with the largest added scores
    are read first, so that the k-th best score becomes large early. Products without an added score follow in order of
    falling length, and the search ends at the first whose bound is too small.

    Source: Teflioudi, Gemulla & Mykytiuk, "LEMP: fast retrieval of large entries in a matrix product", SIGMOD 2015,
    doi:10.1145/2723372.2747647

    Parameters
    ----------
    point : ndarray of shape (d,), float32
        The shopper's vector.
    vectors : ndarray of shape (m, d), int8 or float32
        The vectors of the products.
    scale, lengths : ndarray of shape (m,), float32
        Factor of each vector, not negative, and that factor times the vector's length.
    block_lengths : ndarray, float32
        `largest_of_blocks(lengths)`.
    order, falling_lengths, rows_by_length : ndarray of shape (m,)
        Slots by falling `lengths`, and the length and the product row of each in this order.
    touched, added : ndarray of shape (n,), int32 and float32
        Rows of the products with an added score, ascending so that memory is read in order, and these added scores,
        all above 0.
    slots : ndarray of shape (n_products,), int32
        Slot of each product row; -1 if the product has no vector.
    allowed : ndarray of shape (n_products,), bool
        Products that may be returned.
    k : int
        Number of products.
    least : float
        Scores below this are left out.

    Returns
    -------
    rows : ndarray of shape (at most k,), int32
    scores : ndarray of the same shape, float32
    """
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    whole = np.sqrt(dot(point, point)) * (1 + SLACK)
    edge = about_largest(added, k * FIRST_OF_EACH)
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
    had_its_turn = rows_as_bits(touched, len(slots))
    for place in range(len(order)):
        bound = whole * falling_lengths[place]
        if bound < least or (n == k and bound <= best[0]):
            break
        row = rows_by_length[place]
        if not allowed[row] or had_its_turn[row >> 6] >> np.uint64(row & 63) & ONE:
            continue
        slot = order[place]
        value = scale[slot] * dot(point, vectors[slot])
        if value >= least and value > 0.0:
            n = offer(best, chosen, n, value, row)
    return ranked(best[:n], chosen[:n])


@compiled
def largest_products(
    products: FloatArray, scale: FloatArray, rows: Rows, sums: FloatArray, allowed: Mask, k: int, least: float
) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed products with the largest scores sum + scale · inner product, and these scores.

    The largest score comes first.

    Parameters
    ----------
    products, scale : ndarray of shape (m,), float32
        Inner product of each slot, and its factor.
    rows : ndarray of shape (m,), int32
        Product row of each slot.
    sums : ndarray of shape (n_products,), float32
        Added score of each product.
    allowed : ndarray of shape (n_products,), bool
        Products that may be returned.
    k : int
        Number of products.
    least : float
        Scores below this are left out.

    Returns
    -------
    rows : ndarray of shape (at most k,), int32
    scores : ndarray of the same shape, float32
    """
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    for slot in range(len(products)):
        row = rows[slot]
        value = sums[row] + scale[slot] * products[slot]
        if (n < k or value > best[0]) and value >= least and value > 0.0 and allowed[row]:
            n = offer(best, chosen, n, value, row)
    return ranked(best[:n], chosen[:n])
