"""Events taken by column become, byte by byte, what they would have become row by row."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.importing.batch import Fault, RowBatch
from cli.importing.convert import Options
from cli.importing.events import Converted, EventConverter
from shared.db.types import to_micros
from tests.unit.cli.importing.drafts import all_drafts

AT = "2026-01-31T12:00:00Z"
LATER = (datetime.now(UTC) + timedelta(days=9)).isoformat()
IDS = (None, "", " c-1 ", "c 1", 7, 7.0, Decimal(7), "é" * 64, "é" * 128, "c" * 129, "a\u0000b", "\udc80", " ", True)
COLUMNS = {
    "event_type": (
        "view",
        "view",
        "add_to_cart",
        "Remove",
        "purchase",
        "refund",
        "search",
        "fav",
        "page view",
        "",
        None,
    ),
    "customer_id": ("c-1", "c-2", *IDS),
    "visitor_id": (None, None, "v-1", *IDS),
    "product_id": ("p-1", "p-2", *IDS, ["p-1"]),
    "session_id": (None, "s-1", *IDS),
    "event_id": (None, None, None, "e-1", *IDS),
    "order_id": (None, None, None, "", " ", "o-1", "o-1", 3),
    "timestamp": (AT, 0, -1, 1e9, 1_700_000_000_123_456, "1969-12-31", "never", LATER, None, True, "1e9999999"),
    "quantity": (None, 1, "2", 0.5, 0, -1, "many", 1e6, 1e7, float("nan"), float("inf"), "", Decimal("1.5")),
    "duration_seconds": (None, 0, -0.0, "12.5", 86_400, 86_401, -1, "nan", "long", float("nan")),
    "price": (None, None, "0.333", "free", "-1", "1e9999999"),
    "amount": (None, None, "1.00", "1.005", "-1", [1]),
    "currency": (None, None, "EUR", "USD", "\udc80"),
    "items": (None, None, None, [{"product_id": "p-1"}], "[]"),
    "attributes.device": (None, None, None, "phone", ["a"], ""),
}
PLAIN: dict[str, Any] = dict.fromkeys(COLUMNS) | {
    "event_type": "view", "customer_id": "c-1", "product_id": "p-1", "timestamp": AT, "session_id": "s-1",
}  # fmt: skip


@st.composite
def _rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows that are plain but for one to three of their columns."""
    row = st.dictionaries(st.sampled_from([*COLUMNS]), st.integers(0, 99), max_size=3)
    changes = draw(st.lists(row, min_size=1, max_size=12))
    return [
        PLAIN | {name: COLUMNS[name][place % len(COLUMNS[name])] for name, place in each.items()} for each in changes
    ]


class _RowByRow:
    """Takes nothing by column."""

    def of(self, columns: Mapping[str, Sequence[Any]], size: int) -> None:
        return None


def _converted(rows: list[dict[str, Any]], *, by_row: bool, without: Sequence[str] = (), **options: Any) -> Converted:
    converter = EventConverter(Options(currency="EUR", **options))
    if by_row:
        converter._plain = _RowByRow()  # type: ignore[assignment]
        converter._lines = _RowByRow()  # type: ignore[assignment]
    faults = {0: Fault("is not CSV", "x")} if options.get("event_types") else {}
    read = [dict.fromkeys(COLUMNS) if place in faults else row for place, row in enumerate(rows)]
    columns = {name: [row[name] for row in read] for name in COLUMNS if name not in without}
    return converter.convert(RowBatch(range(1, len(rows) + 1), columns, faults), columns)


def _said(converted: Converted) -> list[tuple[list[int], bytes]]:
    return [(draft.rows, draft.event.SerializeToString()) for draft in all_drafts(converted)]


@settings(max_examples=500, deadline=None)
@given(
    _rows(),
    st.lists(st.sampled_from(["items", "attributes.device", "order_id", "amount", "price"]), max_size=5),
    st.sampled_from(("reject", "visitor")),
    st.sampled_from((0, 52, -4_000)),
    st.sampled_from(({}, {"fav": "add_to_cart", "": "view"})),
)
def test_the_same_as_row_by_row(
    rows: list[dict[str, Any]], without: list[str], guests: str, weeks: int, names: dict[str, str]
) -> None:
    options = {"guests": guests, "shift_weeks": weeks, "event_types": names, "without": without}
    by_column, by_row = (_outcome(rows, by_row=flag, **options) for flag in (False, True))
    assert by_column == by_row


def _outcome(rows: list[dict[str, Any]], **options: Any) -> Any:
    try:
        found = _converted(rows, **options)
    except ArithmeticError as error:
        return type(error)
    # Compared as texts, because NaN is not equal to itself.
    return _said(found), repr(found.rejects)


@pytest.mark.parametrize("size", [1, 2, 50])
def test_columns_say_what_the_events_say(size: int) -> None:
    changes: list[dict[str, Any]] = [
        {}, {"event_type": "cart", "quantity": "3"}, {"customer_id": None, "visitor_id": "v"}, {"event_id": "e"},
    ]  # fmt: skip
    rows = [PLAIN | changes[number % 4] | {"timestamp": number} for number in range(size)]
    found = _converted(rows, by_row=False).plain
    assert found is not None
    for ready, draft in zip(found.ready(), found.drafts(), strict=True):
        event = draft.event
        assert [ready.row] == draft.rows
        assert (ready.event_id, ready.kind) == (event.event_id, event.WhichOneof("detail"))
        assert (ready.customer_id, ready.visitor_id) == (event.customer_id, event.visitor_id)
        assert ready.micros == to_micros(event.event_time.ToDatetime(tzinfo=UTC))
        assert ready.payload == event.SerializeToString()
    assert set(found.products) == {"p-1"}


def test_usual_events_are_taken_by_column() -> None:
    "None of them is looked at by itself; else the import is slow."
    kinds = ("view", "add_to_cart", "remove_from_cart")
    found = _converted([PLAIN | {"event_type": kind, "quantity": 2} for kind in kinds], by_row=False)
    assert found.plain is not None
    assert (found.plain.rows.tolist(), found.drafts, found.rejects) == ([0, 1, 2], [], [])
