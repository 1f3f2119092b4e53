"""Rows of an order stay together, wherever batches end."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cli.importing.batch import Fault, RowBatch
from cli.importing.orders import whole_orders


def batch_of(start: int, orders: list[Any]) -> RowBatch:
    faults = {index: Fault("is broken", "") for index, order in enumerate(orders) if order == "fault"}
    values = [None if order in ("fault", "") else order for order in orders]
    return RowBatch(range(start + 1, start + 1 + len(orders)), {"order": values}, faults)


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "", "fault"]), st.integers(1, 5)), max_size=20), st.integers(1, 7))
def test_no_order_is_cut(runs: list[tuple[str, int]], size: int) -> None:
    orders = [order for order, count in runs for _ in range(count)]
    batches = [batch_of(start, orders[start : start + size]) for start in range(0, len(orders), size)]
    whole = list(whole_orders(batches, lambda batch: batch.columns["order"]))
    assert [line for batch in whole for line in batch.lines] == list(range(1, len(orders) + 1))
    for before, after in pairwise(whole):
        last = next((order for order in reversed(before.columns["order"]) if order), None)
        ends = [index for index in range(len(before)) if index not in before.faults]
        open_order = before.columns["order"][ends[-1]] if ends else None
        starts = [index for index in range(len(after)) if index not in after.faults]
        if open_order is not None and starts:
            assert after.columns["order"][starts[0]] != last


def test_rows_without_orders_are_not_kept_back() -> None:
    batches = [batch_of(0, ["", ""]), batch_of(2, [""])]
    assert list(whole_orders(batches, lambda batch: ())) == batches
