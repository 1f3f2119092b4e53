"""What the tests of imports share: files, imports, and what is in the database afterwards."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cli.importing.request import ImportRequest, import_files
from cli.importing.run import Summary
from shared.db.engine import Database

Import = Callable[..., Summary]
AT = "2026-01-31T12:00:00Z"


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rejects_of(path: Path) -> list[dict[str, Any]]:
    """Return the rejected rows of a file; `[]` when there is no such file."""
    rejects = path.with_name(f"{path.name}.rejects.jsonl")
    return [json.loads(line) for line in rejects.read_text().splitlines()] if rejects.exists() else []


def silent(stage: str, fraction: float) -> None:
    assert 0 <= fraction <= 1


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Return what an import is to bring about, free of keys and of times of writing."""
    queries = {
        "log": "SELECT sequence, event_id, kind, occurred_at, payload FROM event_log ORDER BY sequence",
        "customers": "SELECT external_id, name, registration_date, last_active FROM customers ORDER BY customer_id",
        "views": "SELECT c.external_id, p.external_id, view_time, duration_seconds FROM browsing_history b "
        "JOIN customers c ON c.customer_id = b.customer_id JOIN products p ON p.product_id = b.product_id "
        "ORDER BY b.id",
        "pages": "SELECT c.external_id, kind, value, occurred_at FROM page_events e "
        "JOIN customers c ON c.customer_id = e.customer_id ORDER BY e.id",
        "visitors": "SELECT visitor_id, c.external_id FROM visitors v "
        "JOIN customers c ON c.customer_id = v.customer_id ORDER BY visitor_id",
        "purchases": "SELECT external_id, timestamp, total_amount, refunded_amount, currency FROM purchases "
        "ORDER BY purchase_id",
        "lines": "SELECT o.external_id, p.external_id, quantity, amount, refunded_quantity FROM purchase_items i "
        "JOIN purchases o ON o.purchase_id = i.purchase_id JOIN products p ON p.product_id = i.product_id "
        "ORDER BY i.id",
        "carts": "SELECT c.external_id, p.external_id, quantity, removed_quantity, purchased_quantity, open "
        "FROM cart_items i JOIN customers c ON c.customer_id = i.customer_id "
        "JOIN products p ON p.product_id = i.product_id ORDER BY i.id",
        "sessions": "SELECT c.external_id, started_at, last_event_at, event_count FROM sessions s "
        "JOIN customers c ON c.customer_id = s.customer_id ORDER BY session_id",
        "cursors": "SELECT consumer, sequence FROM event_cursors ORDER BY consumer",
    }
    with database.read() as connection:
        return {name: [tuple(row) for row in connection.execute(text(query))] for name, query in queries.items()}


@pytest.fixture
def run(database: Database) -> Import:
    """Import one file into `database`."""
    return lambda kind, path, **options: run_into(database, kind, path, **options)


def run_into(database: Database, kind: Any, path: Path, **options: Any) -> Summary:
    return import_files(ImportRequest(kind, (path,), database.url, **options), silent).files[0]


@pytest.fixture
def shop(run: Import, tmp_path: Path) -> None:
    """Customers `c1` to `c3` and products `p1` to `p3` at 1.00 USD."""
    customers = [{"customer_id": f"c{number}"} for number in (1, 2, 3)]
    products = [{"product_id": f"p{number}", "name": f"Product {number}", "price": "1.00"} for number in (1, 2, 3)]
    run("customers", write_jsonl(tmp_path / "shop-customers.jsonl", customers))
    run("products", write_jsonl(tmp_path / "shop-products.jsonl", products))
