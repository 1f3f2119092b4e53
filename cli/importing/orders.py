"""Keep the rows of an order together where a batch would end between them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cli.importing.batch import RowBatch, join

MOST_KEPT = 50_000
"""Rows kept back for one order at most, so that memory stays bounded whatever the file says."""


def whole_orders(batches: Iterable[RowBatch], orders_of: Callable[[RowBatch], Sequence[Any]]) -> Iterator[RowBatch]:
    """Yield the same rows in the same order, in batches that end where an order ends.

    Parameters
    ----------
    batches : iterable of RowBatch
        The rows.
    orders_of : callable
        The order of each row of a batch, as the file has it; empty when the batch has no such column.
    """
    kept: RowBatch | None = None
    for batch in batches:
        rows = batch if kept is None else join(kept, batch)
        cut = _last_order(rows, orders_of(rows))
        if cut == 0 and len(rows) > MOST_KEPT:
            cut = len(rows)
        kept = rows.part(cut, len(rows)) if cut < len(rows) else None
        if cut:
            yield rows.part(0, cut)
    if kept is not None:
        yield kept


def _last_order(batch: RowBatch, orders: Sequence[Any]) -> int:
    """Return where the last order begins; the end of the batch when its last row is of no order."""
    if not orders:
        return len(batch)
    start = len(batch)
    order = None
    for index in range(len(batch) - 1, -1, -1):
        if index in batch.faults:
            continue
        if order is None:
            order = orders[index]
        if order is None or orders[index] != order:
            break
        start = index
    return start


def renamed(batch: RowBatch, names: Mapping[str, str]) -> dict[str, Sequence[Any]]:
    """Return the values of a batch under our column names, given as ours with theirs."""
    return {ours: batch.columns[theirs] for ours, theirs in names.items() if theirs in batch.columns}
