"""A backup has one state of everything, is taken while others write, and is restored whole or not at all."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from shared.db import model_artifacts, models
from shared.db.backup import files, postgres_backup
from shared.db.engine import Database
from shared.db.integrity import check_database
from shared.db.schema import event_cursors, metadata, products
from shared.errors import DataLoss, FailedPrecondition, InvalidArgument
from tests.support.databases import PostgresTemplate
from tests.support.shop import add_customers, add_products

KILLS = 6
NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONGEST_WAIT_SECONDS = 0.05


def quiet(stage: str, fraction: float) -> None:
    """Show nothing."""


def fill(database: Database, count: int = 300) -> None:
    add_customers(database, "ann", "bob")
    add_products(database, *(f"p{number}" for number in range(count)), description="long " * 100)
    models.save_model(database, "recommender", "v1", os.urandom(3 * model_artifacts.CHUNK_BYTES), {"n": 1})


def contents(database: Database) -> dict[str, list[Any]]:
    with database.read() as connection:
        return {table.name: sorted(map(repr, connection.execute(select(table)))) for table in metadata.sorted_tables}


def empty_like(database: Database, folder: Path, request: pytest.FixtureRequest) -> Database:
    """Return an empty database of the same kind."""
    if database.dialect == "sqlite":
        return Database(f"sqlite:///{folder / 'other.db'}")
    other: Database = request.getfixturevalue("other_postgres_database")
    return other


@pytest.fixture
def other_postgres_database(postgres_server: str, tmp_path: Path) -> Iterator[Database]:
    with PostgresTemplate(postgres_server).copied(tmp_path) as fresh:
        yield fresh


def test_what_was_backed_up_is_restored(database: Database, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    fill(database)
    before = contents(database)
    file = tmp_path / "quintet.backup"
    stages: list[float] = []
    size = files.back_up(database, file, lambda stage, fraction: stages.append(fraction))
    assert size == file.stat().st_size > 0
    assert stages == sorted(stages)
    assert file.stat().st_mode & 0o077 == 0, "personal data is for the owner only"
    with closing(empty_like(database, tmp_path, request)) as other:
        files.restore(other, file, quiet)
        assert contents(other) == before
        assert [each.problems for each in check_database(other, quiet)] == [[], [], [], [], []]
        add_products(other, "after")  # keys go on where they were
        with pytest.raises(FailedPrecondition, match="not empty"):
            files.restore(other, file, quiet)
        files.restore(other, file, quiet, replace=True)
        assert contents(other) == before


def test_writers_do_not_wait_for_a_backup_and_it_has_one_state(database: Database, tmp_path: Path) -> None:
    fill(database, 3_000)
    stop, waits, written = threading.Event(), [], []

    def write() -> None:
        while not stop.is_set():
            started = time.perf_counter()
            with database.write() as connection:
                waits.append(time.perf_counter() - started)
                connection.execute(event_cursors.delete())
                rows = [{"consumer": name, "sequence": len(written), "updated_at": NOW} for name in ("a", "b")]
                connection.execute(event_cursors.insert(), rows)
            written.append(1)

    writer = threading.Thread(target=write)
    writer.start()
    file = tmp_path / "quintet.backup"
    try:
        for _ in range(3):
            files.back_up(database, file, quiet)
    finally:
        stop.set()
        writer.join()
    waits.sort()
    assert waits[int(0.99 * len(waits))] < LONGEST_WAIT_SECONDS
    if database.dialect == "sqlite":
        with closing(Database(f"sqlite:///{file}")) as copy, copy.read() as connection:
            assert len(set(connection.execute(select(event_cursors.c.sequence)).scalars())) == 1


def test_a_backup_that_is_damaged_changes_nothing(database: Database, tmp_path: Path) -> None:
    fill(database)
    file = tmp_path / "quintet.backup"
    files.back_up(database, file, quiet)
    whole, before = file.read_bytes(), contents(database)
    for damaged in (whole[: len(whole) // 2], whole[: len(whole) // 2] + bytes(8192) + whole[len(whole) // 2 + 8192 :]):
        file.write_bytes(damaged)
        with pytest.raises(DataLoss):
            files.restore(database, file, quiet, replace=True)
        assert contents(database) == before


def test_what_is_no_backup_of_this_kind_is_refused(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("no backup")
    with pytest.raises(InvalidArgument, match="is no backup"):
        files.restore(database, file, quiet)
    with pytest.raises(InvalidArgument, match="cannot be read"):
        files.restore(database, tmp_path / "missing", quiet)
    other = postgres_backup.MAGIC if database.dialect == "sqlite" else b"SQLite format 3\x00"
    file.write_bytes(other)
    with pytest.raises(FailedPrecondition, match="the backup is of"):
        files.restore(database, file, quiet)
    with pytest.raises(InvalidArgument, match="folder"):
        files.back_up(database, tmp_path / "missing" / "file", quiet)
    if database.file is not None:
        with pytest.raises(InvalidArgument, match="itself"):
            files.back_up(database, database.file, quiet)


def test_a_database_in_use_is_not_replaced(sqlite_database: Database, tmp_path: Path) -> None:
    fill(sqlite_database, 3)
    file = tmp_path / "quintet.backup"
    files.back_up(sqlite_database, file, quiet)
    with sqlite_database.read() as connection, closing(Database(sqlite_database.url)) as other:
        connection.execute(select(products.c.product_id)).all()
        with pytest.raises(FailedPrecondition, match="stop the agents"):
            files.restore(other, file, quiet, replace=True)


CHILD = """
import sys
from pathlib import Path
from shared.db.backup import files
from shared.db.engine import Database
database = Database(sys.argv[2])
print("ready", flush=True)
if sys.argv[1] == "backup":
    files.back_up(database, Path(sys.argv[3]), lambda stage, fraction: None)
else:
    files.restore(database, Path(sys.argv[3]), lambda stage, fraction: None, replace=True)
"""


def killed(work: str, database: Database, file: Path, after_seconds: float) -> None:
    """Run the work in a process and kill it so long after it began."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, work, database.url, str(file)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    with suppress(subprocess.TimeoutExpired):
        child.wait(after_seconds)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()


@pytest.mark.slow
@pytest.mark.parametrize("work", ["backup", "restore"])
def test_a_kill_half_way_leaves_the_old_or_the_new(database: Database, tmp_path: Path, work: str) -> None:
    fill(database, 2_000)
    file = tmp_path / "quintet.backup"
    files.back_up(database, file, quiet)
    states = [contents(database)]
    add_products(database, "later")
    states.append(contents(database))
    database.close()
    randomness = random.Random(7)
    for _ in range(KILLS):
        killed(work, database, file, randomness.uniform(0.0, 1.5))
        wait_for_rollback(database)
        assert contents(database) in states
        assert [each.problems for each in check_database(database, quiet)] == [[], [], [], [], []]
        files.restore(database, file, quiet, replace=True)
        assert contents(database) in states
        database.close()


def wait_for_rollback(database: Database) -> None:
    """Wait until the server has noticed that the killed process is gone."""
    if database.dialect == "sqlite":
        return
    until = time.monotonic() + 30
    while True:
        with database.read() as connection:
            others = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
                "AND state <> 'idle'"
            ).scalar_one()
        if not others:
            return
        assert time.monotonic() < until
        time.sleep(0.02)


def test_there_must_be_something_to_back_up(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'none.db'}")) as nothing:
        with pytest.raises(FailedPrecondition, match="nothing to back up"):
            files.back_up(nothing, tmp_path / "file", quiet)
        assert list(tmp_path.glob("none.db*")) == [], "and looking makes no file"
