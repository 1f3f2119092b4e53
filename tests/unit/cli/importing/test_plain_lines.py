"""Lines taken by column become just what they would have become row by row."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.importing.batch import RowBatch
from cli.importing.convert import Options
from cli.importing.events import Converted, EventConverter
from shared.db.order_lines import lines_of
from tests.unit.cli.importing.drafts import all_drafts

ORDERS = ("o-1", "o-1", "o-1", "o-2", 1, 1.0, "1", None, "")
PRODUCTS = ("p-1", "p-2", " p-3 ", "", None, 7, "a\u0000b", "\udc80", ["p-1"])
QUANTITIES = (1, 2, "3", None, 0, -1, "many", 0.5, "1e7", float("nan"))
AMOUNTS = ("1.00", "2.50", "1.005", 1.005, Decimal("1.005"), None, "-1", "free", 3, "99999999999999999999")
ROW = st.fixed_dictionaries(
    {
        "event_type": st.sampled_from(("purchase", "purchase", "purchase", "buy", "view", "", None)),
        "customer_id": st.sampled_from(("c-1", "c-1", "c-2", None)),
        "product_id": st.sampled_from(PRODUCTS),
        "quantity": st.sampled_from(QUANTITIES),
        "price": st.sampled_from((None, None, "0.333", "2")),
        "amount": st.sampled_from(AMOUNTS),
        "currency": st.sampled_from((None, "EUR", "EUR", "USD", "euro")),
        "order_id": st.sampled_from(ORDERS),
        "timestamp": st.sampled_from(("2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z", "never")),
    }
)
USUAL = {
    "event_type": "purchase", "customer_id": "c-1", "product_id": "p-1", "quantity": 2, "price": None,
    "amount": "1.00", "currency": "EUR", "order_id": "o-1", "timestamp": "2026-01-31T12:00:00Z",
}  # fmt: skip


class _RowByRow:
    """Takes no line by column."""

    def of(self, columns: Mapping[str, Sequence[Any]], size: int) -> None:
        return None


def _converted(rows: list[dict[str, Any]], *, by_row: bool, **options: Any) -> Converted:
    converter = EventConverter(Options(currency="EUR", **options))
    if by_row:
        converter._lines = _RowByRow()  # type: ignore[assignment]
    columns = {name: [row[name] for row in rows] for name in USUAL}
    return converter.convert(RowBatch(range(1, len(rows) + 1), columns), columns)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(st.just(USUAL), ROW), min_size=1, max_size=12),
    st.sampled_from(("reject", "refund")),
    st.sampled_from(("reject", "visitor")),
)
def test_the_same_as_row_by_row(rows: list[dict[str, Any]], negative: str, guests: str) -> None:
    options = {"negative_quantity": negative, "guests": guests}
    by_column, by_row = (_converted(rows, by_row=flag, **options) for flag in (False, True))
    assert all_drafts(by_column) == all_drafts(by_row)
    if by_column.lines is not None:
        by_line = [draft for draft in by_column.drafts if draft.by_line]
        assert [by_column.lines.of(each.rows) for each in by_line] == [
            lines_of(each.event.purchase) for each in by_line
        ]
    # Compared as texts, because NaN is not equal to itself.
    assert repr(by_column.rejects) == repr(by_row.rejects)


@pytest.mark.parametrize("size", [999, 1_000, 1_001, 2_500])
def test_long_orders_are_cut_alike(size: int) -> None:
    rows = [USUAL] * size
    assert _converted(rows, by_row=False).drafts == _converted(rows, by_row=True).drafts


def test_usual_lines_are_taken_by_column(monkeypatch: pytest.MonkeyPatch) -> None:
    "Only the first row of an order is looked at by itself; else the import is slow."
    looked_at = []
    take = EventConverter._take
    monkeypatch.setattr(EventConverter, "_take", lambda self, *row: looked_at.append(row[1]) or take(self, *row))
    _converted([USUAL] * 10 + [USUAL | {"order_id": "o-2"}] * 10, by_row=False)
    assert looked_at == [0, 10]
