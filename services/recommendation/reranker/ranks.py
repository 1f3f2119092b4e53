"""Ranks within groups of candidates, compiled: the largest value has rank 0, and a hash orders equal values.

Groups are runs of equal owners.
"""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs
from services.recommendation.algorithms.radix_sort import falling_keys, sort_places
from shared.compiled import compiled

UNRANKED = 9999.0
"""Rank of a product to which an algorithm gives no score."""
SMALLEST = np.finfo(np.float32).tiny
TIE_SEED = np.uint64(0x51E7)
"""Seed of the order of equal values."""
INCREMENT, FIRST_FACTOR, SECOND_FACTOR = (
    np.uint64(factor) for factor in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


@compiled
def tie_hash(product: int) -> int:
    """Return the key, 64 bits, that orders products of equal value: the smallest first.

    It is the splitmix64 hash of the row and `TIE_SEED`; different rows have different hashes. Neither the order of the
    rows nor that of the ids helps a product. It depends on the row alone, so a page that knows only its candidates and
    a batch that knows all products use the same order. `holdout.topk.tie_order` does not fit here: it is a permutation
    of all products, so it needs their number and changes with it.

    Sources: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014,
    doi:10.1145/2660193.2660195.
    """
    bits = (np.uint64(product) ^ (TIE_SEED << np.uint64(32))) + INCREMENT
    bits = (bits ^ (bits >> np.uint64(30))) * FIRST_FACTOR
    bits = (bits ^ (bits >> np.uint64(27))) * SECOND_FACTOR
    return bits ^ (bits >> np.uint64(31))  # type: ignore[return-value]


@compiled
def tie_hashes(products: Longs) -> NDArray[np.uint64]:
    """Return `tie_hash` of each product."""
    hashes = np.empty(len(products), np.uint64)
    for i in range(len(products)):
        hashes[i] = tie_hash(products[i])
    return hashes


@compiled
def candidate_columns(scores: FloatArray, owners: Longs, products: Longs) -> FloatArray:
    """Return each algorithm's scores as shares of its best for the owner, and its ranks among the owner's candidates.

    Parameters
    ----------
    scores : ndarray of shape (n_algorithms, n_candidates), float32
        At least 0; 0 for none.
    owners, products : ndarray of shape (n_candidates,), int64
        Equal owners stand together.

    Returns
    -------
    ndarray of shape (2 · n_algorithms, n_candidates), float32
        Rows 2·i and 2·i + 1 are the shares and the ranks of algorithm i; `UNRANKED` where it gives no score.
    """
    n_algorithms, n = scores.shape
    columns = np.empty((2 * n_algorithms, n), np.float32)
    begin = 0
    while begin < n:
        end = _group_end(owners, begin)
        by_hash = _hash_order(products[begin:end])
        for algorithm in range(n_algorithms):
            own = scores[algorithm, begin:end]
            _fill_shares(own, columns[2 * algorithm, begin:end])
            _fill_ranks(own, by_hash, columns[2 * algorithm + 1, begin:end])
        begin = end
    return columns


@compiled
def ranks_in_groups(values: FloatArray, owners: Longs, products: Longs) -> Longs:
    """Return the rank of each value among those of its owner from 0, the largest first, shape (n,).

    Parameters
    ----------
    values : ndarray of shape (n,), float32
        Not NaN.
    owners, products : ndarray of shape (n,), int64
        Equal owners stand together.
    """
    ranks = np.empty(len(values), np.int64)
    begin = 0
    while begin < len(values):
        end = _group_end(owners, begin)
        places = _hash_order(products[begin:end])
        sort_places(falling_keys(values[begin:end]), places)
        for rank in range(len(places)):
            ranks[begin + places[rank]] = rank
        begin = end
    return ranks


@compiled
def _group_end(owners: Longs, begin: int) -> int:
    end = begin + 1
    while end < len(owners) and owners[end] == owners[begin]:
        end += 1
    return end


@compiled
def _hash_order(products: Longs) -> Longs:
    """Return the places of the products in the order of the upper half of their hashes."""
    keys = np.empty(len(products), np.uint32)
    for i in range(len(products)):
        keys[i] = tie_hash(products[i]) >> np.uint64(32)
    places = np.arange(len(products))
    sort_places(keys, places)
    return places


@compiled
def _fill_shares(scores: FloatArray, shares: FloatArray) -> None:
    best = SMALLEST
    for i in range(len(scores)):
        best = max(best, scores[i])
    for i in range(len(scores)):
        shares[i] = scores[i] / best


@compiled
def _fill_ranks(scores: FloatArray, by_hash: Longs, ranks: FloatArray) -> None:
    """Write the ranks of the scores above 0; only those are sorted."""
    scored = np.empty(len(scores), np.int64)
    n = 0
    for i in range(len(scores)):
        ranks[i] = UNRANKED
        if scores[by_hash[i]] > 0:
            scored[n] = by_hash[i]
            n += 1
    sort_places(falling_keys(scores), scored[:n])
    for rank in range(n):
        ranks[scored[rank]] = rank
