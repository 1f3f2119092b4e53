"""The check finds what is broken, and says where."""

from contextlib import closing
from datetime import UTC, datetime

import pytest
from sqlalchemy import delete, text

from shared.db import models
from shared.db.engine import Database
from shared.db.integrity import Finding, check_database
from shared.db.schema import event_cursors, model_chunks, model_versions
from tests.support.shop import add_customers, add_products


def problems(database: Database) -> dict[str, list[str]]:
    findings: list[Finding] = check_database(database, lambda stage, fraction: None)
    return {each.check: each.problems for each in findings if each.problems}


@pytest.fixture(autouse=True)
def filled(database: Database) -> None:
    add_customers(database, "ann")
    add_products(database, "tea")
    models.save_model(database, "recommender", "v1", b"model" * 10, {})
    models.save_model(database, "recommender", "v2", b"model" * 20, {})


def test_a_whole_database_has_no_problems(database: Database) -> None:
    assert problems(database) == {}


def test_a_cursor_beyond_the_log(database: Database) -> None:
    with database.write() as connection:
        row = {"consumer": "customer", "sequence": 7, "updated_at": datetime.now(UTC)}
        connection.execute(event_cursors.insert().values(row))
    assert problems(database) == {"cursors": ["customer has applied event 7, but the log ends at 0"]}


def test_a_model_in_use_whose_chunks_are_damaged(database: Database) -> None:
    with database.write() as connection:
        connection.execute(model_chunks.update().values(data=b"other"))
    assert list(problems(database)) == ["models"]


def test_a_row_that_refers_to_nothing(database: Database) -> None:
    off = {"sqlite": "PRAGMA foreign_keys=OFF", "postgresql": "SET session_replication_role = replica"}
    with closing(Database(database.url)) as other, other.engine.connect() as connection:
        if other.dialect == "sqlite":
            connection.connection.driver_connection.execute(off["sqlite"])  # type: ignore[union-attr]
        else:
            connection.execute(text(off["postgresql"]))
        connection.execute(delete(model_versions))
        connection.commit()
    (found,) = problems(database).values()
    assert "model_chunks" in found[0]


def test_a_page_that_is_damaged(sqlite_database: Database) -> None:
    add_products(sqlite_database, *(f"p{number}" for number in range(500)), description="x" * 400)
    sqlite_database.close()
    file = sqlite_database.file
    assert file is not None
    whole = bytearray(file.read_bytes())
    begin = next(page for page in range(4096, len(whole), 4096) if b"p250" in whole[page : page + 4096])
    whole[begin : begin + 4096] = b"\xff" * 4096
    file.write_bytes(whole)
    assert "storage" in problems(sqlite_database)


def test_a_schema_of_another_release(database: Database) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    assert list(problems(database)) == ["schema"]
