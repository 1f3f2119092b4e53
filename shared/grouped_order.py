"""Sorting of many events: the order by customer, and dense numbers for keys, in time that is linear in the events."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.compiled import compiled

SPARSEST = 4
"""Range of the keys relative to their number from which a table of the whole range costs more than sorting them."""
SMALL_RANGE = 1 << 16
"""Range of keys for which a table is always cheap."""


def history_order(
    customers: NDArray[np.integer], times: NDArray[np.int64], kinds: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return the order of events by customer, then time, then kind; equal events keep their order.

    It is that of `np.lexsort((kinds, times, customers))`. Parameters and result have shape (n,); kinds are from 0 to 3.
    """
    lowest, highest = _range(customers)
    if not _is_dense(lowest, highest, len(customers)):
        return np.lexsort((kinds, times, customers))
    return _history_order(customers, times, kinds, lowest, highest - lowest + 1)


def time_order(groups: NDArray[np.integer], times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the order of events by group, then time; equal events keep their order. All have shape (n,)."""
    return history_order(groups, times, np.broadcast_to(np.int8(0), len(groups)))


def dense_numbers(keys: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return the distinct keys, ascending, and the position of each key among them.

    It is `np.unique(keys, return_inverse=True)`. There must be fewer than 2³¹ distinct keys.

    Returns
    -------
    distinct : ndarray of shape (n_distinct,), int64
    numbers : ndarray of shape (n,), int32
    """
    lowest, highest = _range(keys)
    if not _is_dense(lowest, highest, len(keys)):
        distinct, numbers = np.unique(keys, return_inverse=True)
        return distinct.astype(np.int64), numbers.astype(np.int32)
    present = np.zeros(highest - lowest + 1, np.bool_)
    _mark(keys, lowest, present)
    return np.flatnonzero(present) + lowest, _numbered(keys, lowest, np.cumsum(present, dtype=np.int32))


def _range(keys: NDArray[np.integer]) -> tuple[int, int]:
    return (int(keys.min()), int(keys.max())) if len(keys) else (0, 0)


def _is_dense(lowest: int, highest: int, n: int) -> bool:
    return highest - lowest < max(SPARSEST * n, SMALL_RANGE)


@compiled
def _mark(keys: NDArray[Any], lowest: int, present: NDArray[np.bool_]) -> None:
    for i in range(len(keys)):
        present[keys[i] - lowest] = True


@compiled
def _numbered(keys: NDArray[Any], lowest: int, counted: NDArray[np.int32]) -> NDArray[np.int32]:
    numbers = np.empty(len(keys), np.int32)
    for i in range(len(keys)):
        numbers[i] = counted[keys[i] - lowest] - 1
    return numbers


@compiled
def _history_order(
    customers: NDArray[Any], times: NDArray[np.int64], kinds: NDArray[Any], lowest: int, n_keys: int
) -> NDArray[np.int64]:
    """Sort by counting the events of each customer, then each customer's events by time and kind."""
    ends = np.zeros(n_keys, np.int64)
    for i in range(len(customers)):
        ends[customers[i] - lowest] += 1
    total = 0
    for key in range(n_keys):
        count = ends[key]
        ends[key] = total
        total += count
    order = np.empty(len(customers), np.int64)
    for i in range(len(customers)):
        key = customers[i] - lowest
        order[ends[key]] = i
        ends[key] += 1
    begin = 0
    for key in range(n_keys):
        _sort_by_time(order[begin : ends[key]], times, kinds)
        begin = ends[key]
    return order


@compiled
def _sort_by_time(order: NDArray[np.int64], times: NDArray[np.int64], kinds: NDArray[Any]) -> None:
    """Sort a customer's events in place by time and kind; equal ones keep their order."""
    keys = np.empty(len(order), np.int64)
    sorted_already = True
    for i in range(len(order)):
        keys[i] = 4 * times[order[i]] + kinds[order[i]]
        sorted_already = sorted_already and (i == 0 or keys[i - 1] <= keys[i])
    if not sorted_already:
        order[:] = order[np.argsort(keys, kind="mergesort")]
