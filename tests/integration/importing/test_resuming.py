"""An import that is killed goes on at its checkpoint, and ends as if nothing had happened."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cli.importing.event_sink import EventSink
from shared.db.engine import Database
from tests.integration.importing.conftest import Import, contents, rejects_of, run_into, write_jsonl

ROWS = 3_000
BATCH = 50
IMPORT = f"""
import sys
from pathlib import Path
from cli.importing.request import ImportRequest, import_files

request = ImportRequest("events", (Path(sys.argv[1]),), sys.argv[2], batch_rows={BATCH})
import_files(request, lambda stage, fraction: None)
"""


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def events(count: int) -> Iterator[dict[str, Any]]:
    """Yield views and orders of three lines, with an unknown product here and there."""
    for number in range(count):
        row = {
            "customer_id": f"c{number // 3 % 3 + 1}",
            "product_id": f"p{number % 3 + 1}",
            "timestamp": 1767225600 + number // 3,
        }
        order = number // 3 % 2 == 0
        row |= {"event_type": "purchase", "order_id": f"o{number // 3}"} if order else {"event_type": "view"}
        yield {**row, "product_id": "nothing"} if number % 97 == 0 else row


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize("after", ["rows", "projection"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_process_that_dies_between_batches(
    run: Import, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str, restart: bool
) -> None:
    path = write_jsonl(tmp_path / "e.jsonl", list(events(300)))
    settled = 0
    settle = EventSink.settle

    def die_in_the_middle(self: EventSink) -> None:
        nonlocal settled
        settled += 1
        if settled == 4 and after == "rows":
            raise Killed
        settle(self)
        if settled == 4:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(EventSink, "settle", die_in_the_middle)
        with pytest.raises(Killed):
            run("events", path, batch_rows=30)
    rejects = path.with_name(f"{path.name}.rejects.jsonl")
    with rejects.open("a") as file:
        file.write('{"line": 91, "reason": "written, but its transaction was not committed"}\n{"li')
    summary = run("events", path, batch_rows=70, restart=restart)
    if restart:
        assert (summary.resumed_at, summary.read, summary.duplicates) == (0, 300, 89)
    else:
        assert summary.resumed_at == 90
    assert (summary.read, summary.imported + summary.duplicates, summary.rejected) == (300, 296, 4)
    assert [each["line"] for each in rejects_of(path)] == [1, 98, 195, 292]
    found = contents(database)
    assert len(found["views"]) + len(found["lines"]) == 296
    assert len(found["purchases"]) == 50
    assert found["cursors"] == [(agent, len(found["log"])) for agent in ("customer", "feedback")]


def test_kill_9_in_the_middle(sqlite_database: Database, tmp_path: Path) -> None:
    for number in (1, 2, 3):
        run_into(sqlite_database, "customers", write_jsonl(tmp_path / "c.jsonl", [{"customer_id": f"c{number}"}]))
        product = {"product_id": f"p{number}", "name": "Tea", "price": "1"}
        run_into(sqlite_database, "products", write_jsonl(tmp_path / "p.jsonl", [product]))
    sqlite_database.close()
    straight = Database(f"sqlite:///{shutil.copy(tmp_path / 'quintet.db', tmp_path / 'straight.db')}")
    path = write_jsonl(tmp_path / "e.jsonl", list(events(ROWS)))
    run_into(straight, "events", path, batch_rows=BATCH)
    expected, expected_rejects = contents(straight), rejects_of(path)
    straight.close()

    kills = 0
    while True:
        process = subprocess.Popen([sys.executable, "-c", IMPORT, str(path), sqlite_database.url], env=os.environ)
        if not _killed_while_running(process, sqlite_database):
            break
        kills += 1
    assert process.returncode == 0
    assert kills >= 2
    assert contents(sqlite_database) == expected
    assert rejects_of(path) == expected_rejects


def _killed_while_running(process: subprocess.Popen[bytes], database: Database) -> bool:
    """Kill the import some batches after it went on, but let it run when it is beyond its middle."""
    begun = _rows_done(database)
    while begun < ROWS // 2 and process.poll() is None:
        if _rows_done(database) >= begun + 10 * BATCH:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return True
        time.sleep(0.002)
    process.wait()
    return False


def _rows_done(database: Database) -> int:
    with database.read() as connection:
        query = "SELECT coalesce(max(rows_done), 0) FROM import_checkpoints WHERE rows_done > 1 OR NOT finished"
        return int(connection.execute(text(query)).scalar_one())


@pytest.mark.usefixtures("shop")
def test_a_changed_file_or_option_is_another_import(
    run: Import, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_jsonl(tmp_path / "e.jsonl", list(events(60)))
    with monkeypatch.context() as patched:
        patched.setattr(EventSink, "settle", _dies(3))
        with pytest.raises(Killed):
            run("events", path, batch_rows=30)
    assert run("events", path, timezone="Europe/London").resumed_at == 0
    assert run("events", path).resumed_at == 60
    write_jsonl(path, list(events(61)))
    assert run("events", path).resumed_at == 0


@pytest.mark.usefixtures("shop")
def test_the_shift_of_an_interrupted_import_stays(
    run: Import, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_jsonl(tmp_path / "e.jsonl", [{**row, "timestamp": 1483228800} for row in events(60)])
    with monkeypatch.context() as patched:
        patched.setattr(EventSink, "settle", _dies(2))
        with pytest.raises(Killed):
            run("events", path, batch_rows=30, shift_to_now=True)
    with database.write() as connection:
        connection.execute(text("UPDATE import_checkpoints SET shift_weeks = 3 WHERE NOT finished"))
    summary = run("events", path, shift_to_now=True)
    assert (summary.resumed_at, summary.shift_weeks) == (30, 3)


def _dies(at: int) -> Any:
    """Return a `settle` that projects nothing and dies when it is called for the `at`-th time."""
    calls = iter(range(1, at + 1))

    def settle(self: EventSink) -> None:
        if next(calls) == at:
            raise Killed

    return settle
