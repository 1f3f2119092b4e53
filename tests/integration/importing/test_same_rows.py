"""The ways of an import are for speed only: all bring the same rows into the tables and reject the same ones."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.importing import run as importing
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


def _imported(run: Import, path: Path, **options: Any) -> tuple[Any, ...]:
    summary = run("events", path, negative_quantity="refund", **options)
    return summary.read, summary.imported, summary.duplicates, summary.rejected


WAYS = {"by column": {}, "in small batches": {"batch_rows": 11}, "a process ahead": {"batch_rows": 100}}


@pytest.fixture
def row_by_row(tmp_path: Path) -> tuple[Any, ...]:
    """What the import of the same rows without any shortcut leads to, in a database of its own."""

    plain = Database(f"sqlite:///{tmp_path / 'row-by-row.db'}")
    migrate(plain)
    for kind in ("customers", "products"):
        run_into(plain, kind, tmp_path / f"shop-{kind}.jsonl")
    path = write_jsonl(tmp_path / "row-by-row.jsonl", _rows())
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(PlainLines, "of", lambda self, columns, size: None)
        counted = _imported(lambda kind, path, **options: run_into(plain, kind, path, **options), path)
    found = contents(plain)
    plain.close()
    return counted, found, rejects_of(path)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_rows(
    run: Import,
    database: Database,
    tmp_path: Path,
    row_by_row: tuple[Any, ...],
    way: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if way == "a process ahead":
        monkeypatch.setattr(importing, "AHEAD_FROM_BYTES", 0)
    path = write_jsonl(tmp_path / "e.jsonl", _rows())
    counted, found, rejects = row_by_row
    assert _imported(run, path, **WAYS[way]) == counted
    assert rejects_of(path) == rejects
    now = contents(database)
    # Customers are registered when they are imported; the databases store yes and no in ways of their own.
    assert now.pop("customers") is not None
    for table in now:
        assert sorted(map(_plain, now[table])) == sorted(map(_plain, found[table])), table
    assert len(now["purchases"]) == ORDERS
    assert len(rejects) > ORDERS // 7


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
