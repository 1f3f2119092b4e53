"""The ways of an import are for speed only: all bring the same rows into the tables and reject the same ones."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.importing import run as importing
from cli.importing.plain_events import PlainEvents
from cli.importing.plain_lines import PlainLines
from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.integration.importing.conftest import Import, contents, rejects_of, run_into, write_jsonl

pytestmark = pytest.mark.usefixtures("shop")
START = datetime(2026, 1, 1, tzinfo=UTC)
ORDERS = 120


def _rows() -> list[dict[str, Any]]:
    """Return orders of one to nine lines with what customers do before and after; some rows of them are wrong."""
    chance = random.Random(5)
    rows: list[dict[str, Any]] = []
    for number in range(ORDERS):
        at = START + timedelta(hours=number * 3, minutes=chance.randrange(60))
        who = {"customer_id": f"c{chance.randint(1, 3)}", "timestamp": at.isoformat()}
        wanted = {**who, "product_id": f"p{chance.randint(1, 3)}"}
        rows.append({**wanted, "event_type": "view"})
        rows.append({**wanted, "event_type": "add_to_cart", "quantity": 2})
        order = {**who, "event_type": "purchase", "order_id": f"o{number}"}
        for _ in range(chance.randint(1, 9)):
            line = {**order, "product_id": f"p{chance.randint(1, 3)}", "quantity": chance.choice((1, 2, 0.5))}
            rows.append({**line, **chance.choice(({}, {}, {"amount": "1.99"}, {"price": "0.333"}))})
        if number % 7 == 0:
            rows.append({**order, "product_id": chance.choice(("p9", "")), "quantity": 1, "amount": "1.00"})
            rows.append({**order, "product_id": "p1", "quantity": 1, "amount": "free"})
        if number % 5 == 0:
            rows.append({**order, "order_id": f"r{number}", "product_id": "p1", "quantity": -1, "amount": "-0.99"})
    return rows


def _browsing() -> list[dict[str, Any]]:
    """Return what customers and visitors do around orders, with a wrong or unusual value in every third row or so."""
    chance = random.Random(7)
    rows: list[dict[str, Any]] = []
    for number in range(ORDERS):
        at = (START + timedelta(minutes=number * 11)).isoformat()
        who = chance.choice(({"customer_id": "c1"}, {"customer_id": "c2"}, {"visitor_id": f"v{number % 5}"}))
        wanted = {**who, "product_id": f"p{chance.randint(1, 3)}", "timestamp": at, "session_id": f"s{number // 9}"}
        rows.append({**wanted, "event_type": "view", "duration_seconds": number % 4})
        rows.append({**wanted, "event_type": "cart", "quantity": chance.choice((None, 1, "2", 0.5, 0, -1, "many"))})
        rows.append({**wanted, "event_type": chance.choice(("view", "remove")), **chance.choice(_UNUSUAL)})
        rows.append({**wanted, "event_type": "view"} if number % 4 else rows[-3])
        rows.append({**wanted, "event_type": "purchase", "order_id": f"o{number}", "quantity": 1})
        rows.append({**wanted, "event_type": "view", "order_id": chance.choice((None, "", f"o{number}"))})
    return rows


_UNUSUAL: tuple[dict[str, Any], ...] = (
    *({},) * 4,
    {"product_id": "p9"},
    {"product_id": ""},
    {"customer_id": "c9"},
    {"customer_id": None, "visitor_id": None},
    {"customer_id": "c3", "visitor_id": "v1"},
    {"timestamp": "never"},
    {"timestamp": "1969-01-01"},
    {"event_id": "twice"},
    {"event_id": "e" * 129},
    {"event_type": "search", "query": "milk"},
    {"event_type": "fly"},
    {"session_id": None},
    {"attributes.device": "phone"},
    {"duration_seconds": 86_401},
)
FILES = {"orders": _rows, "browsing": _browsing}


def _imported(run: Import, path: Path, **options: Any) -> tuple[Any, ...]:
    summary = run("events", path, negative_quantity="refund", **options)
    return summary.read, summary.imported, summary.duplicates, summary.rejected


WAYS = {"by column": {}, "in small batches": {"batch_rows": 11}, "a process ahead": {"batch_rows": 100}}


@pytest.fixture(params=FILES)
def rows(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return FILES[request.param]()


@pytest.fixture
def row_by_row(tmp_path: Path, rows: list[dict[str, Any]]) -> tuple[Any, ...]:
    """What the import of the same rows without any shortcut leads to, in a database of its own."""

    plain = Database(f"sqlite:///{tmp_path / 'row-by-row.db'}")
    migrate(plain)
    for kind in ("customers", "products"):
        run_into(plain, kind, tmp_path / f"shop-{kind}.jsonl")
    path = write_jsonl(tmp_path / "row-by-row.jsonl", rows)
    with pytest.MonkeyPatch.context() as patched:
        for shortcut in (PlainLines, PlainEvents):
            patched.setattr(shortcut, "of", lambda self, columns, size: None)
        counted = _imported(lambda kind, path, **options: run_into(plain, kind, path, **options), path)
    found = contents(plain)
    plain.close()
    return counted, found, rejects_of(path)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_rows(
    run: Import,
    database: Database,
    tmp_path: Path,
    rows: list[dict[str, Any]],
    row_by_row: tuple[Any, ...],
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if way == "a process ahead":
        monkeypatch.setattr(importing, "AHEAD_FROM_BYTES", 0)
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    counted, found, rejects = row_by_row
    assert _imported(run, path, **WAYS[way]) == counted
    assert rejects_of(path) == rejects
    now = contents(database)
    # Customers are registered when they are imported; the databases store yes and no in ways of their own.
    assert now.pop("customers") is not None
    for table in now:
        assert _sorted(now[table]) == _sorted(found[table]), table
    assert len(now["purchases"]) == ORDERS
    assert len(rejects) > ORDERS // 7


def _sorted(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    # Visitors have no external id.
    return sorted(map(_plain, rows), key=lambda row: [(value is not None, value) for value in row])


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
