"""Training data by way of Parquet files: the same as from the database, less who may not be learned from."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shared import interaction_files
from shared.consent import Permissions
from shared.db import interactions
from shared.db.customers import resolve_customers
from shared.db.engine import Database
from shared.db.erasure import erase
from shared.db.interactions import InteractionRows, all_interactions
from shared.db.training_data import read_training_data
from shared.db.training_source import interaction_reader
from shared.db.warehouse import folder_batches
from shared.errors import InvalidArgument
from shared.interaction_files import SCHEMA, InteractionFolder, write_interactions
from tests.integration.recommendation import shop

ROW: dict[str, Any] = {
    "customer_id": "c-lover-1",
    "product_id": "c1",
    "kind": "view",
    "time": datetime(2026, 3, 1, tzinfo=UTC),
    "session": 7,
}


@pytest.fixture
def opened(database: Database) -> Database:
    shop.open_shop(database)
    shop.act(database, shop.viewed("c-lover-1", "t1"), shop.put_in_cart("c-lover-1", "t2"))
    return database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that does not exist yet."""
    return tmp_path / "files"


def write_rows(folder: Path, *rows: dict[str, Any]) -> None:
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")


def exported(database: Database, folder: Path, default: str = "train") -> int:
    with database.read() as connection:
        return write_interactions(folder, folder_batches(connection, Permissions.parse(default)))


def read(database: Database, folder: Path) -> InteractionRows:
    return read_training_data(database, read_interactions=interaction_reader(f"parquet:{folder}")).interactions


def multiset(rows: InteractionRows) -> list[tuple[Any, ...]]:
    return sorted(zip(*(getattr(rows, field.name).tolist() for field in fields(rows)), strict=True))


def test_files_give_what_the_database_gives(opened: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interaction_files, "BATCH_ROWS", 10)
    seen = shop.viewed("", "t1")
    seen.visitor_id = "browser"
    shop.act_as_visitor(opened, seen)
    direct = read_training_data(opened, read_interactions=all_interactions).interactions
    assert exported(opened, folder) == len(direct) > 50
    found = read(opened, folder)
    assert multiset(found) == multiset(direct)
    assert (np.diff(found.customers) >= 0).all()
    assert [getattr(found, field.name).dtype for field in fields(found)] == list(interactions.INTERACTION_TYPES)


def test_who_does_not_agree_is_not_written(opened: Database, folder: Path) -> None:
    assert exported(opened, folder, "none") == 0


def test_the_erased_in_old_files_are_left_out(opened: Database, folder: Path) -> None:
    exported(opened, folder)
    with opened.read() as connection:
        key = resolve_customers(connection, ["c-lover-1"])["c-lover-1"]
    with opened.write() as connection:
        erase(connection, key)
    found = read(opened, folder)
    assert len(found)
    assert key not in found.customers


def test_a_folder_that_exists_is_not_written_to(opened: Database, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="exists already"):
        exported(opened, tmp_path)


def test_a_write_that_fails_leaves_no_folder(folder: Path) -> None:
    def failing() -> Any:
        yield pa.RecordBatch.from_pylist([ROW], schema=SCHEMA)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_interactions(folder, failing())
    assert list(folder.parent.iterdir()) == []


def test_columns_that_may_be_missing_have_defaults(opened: Database, folder: Path) -> None:
    write_rows(folder, ROW | {"more": 1})
    found = read(opened, folder)
    assert (found.quantities[0], found.amounts[0], found.purchases[0], found.durations[0]) == (1, 0, 0, 0)
    assert (found.sessions[0], found.times[0]) == (7, int(ROW["time"].timestamp()))


def test_unknown_shoppers_and_products_are_left_out(opened: Database, folder: Path) -> None:
    rows = [ROW, ROW | {"product_id": "?"}, ROW | {"customer_id": "?"}, ROW | {"customer_id": None}]
    write_rows(folder, *rows)
    assert len(read(opened, folder)) == 1


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda row: row | {"kind": "glance"}, "column kind must be one of view, cart, purchase"),
        (lambda row: row | {"quantity": -1.0}, "column quantity must be finite and not negative"),
        (lambda row: row | {"quantity": float("nan")}, "column quantity must be finite"),
        (lambda row: row | {"session": "seven"}, "a column session that is no int64"),
        (lambda row: row | {"product_id": None}, "an empty product_id|column product_id"),
        (lambda row: {name: value for name, value in row.items() if name != "time"}, "has no column time"),
    ],
)
def test_what_is_wrong_with_files_is_said(
    sqlite_database: Database, folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]], problem: str
) -> None:
    shop.open_shop(sqlite_database)
    write_rows(folder, change(ROW))
    with pytest.raises(InvalidArgument, match=problem):
        read(sqlite_database, folder)


def test_a_folder_without_files_is_named(folder: Path) -> None:
    with pytest.raises(InvalidArgument, match="training_source"):
        InteractionFolder(str(folder))
