"""Faults of what is stored: a damaged model, an event that cannot be applied, an import and a migration cut short."""

import csv
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import DEVNULL
from typing import Any

from sqlalchemy import select

from benchmarks.faults.ledger import DURING
from benchmarks.faults.processes import kill
from benchmarks.faults.shops import Shop, copy_rows
from benchmarks.faults.stage import Found, staged
from benchmarks.faults.whole import wait_until
from benchmarks.machine import ROOT
from shared.db import event_log, failed_events
from shared.db.engine import Connection, Database
from shared.db.event_log import NewEvent
from shared.db.integrity import check_database
from shared.db.schema import failed_events as failed_events_table
from shared.db.schema import model_chunks, model_versions
from tests.e2e import small_shop

BROKEN_SECONDS = 10.0
UNREADABLE = 3
IMPORTED = 30_000
CUTS = 4
LEAST_WORK_SECONDS, LONGEST_WORK_SECONDS = 1.0, 3.0
"""Within which a command is killed; its start, about a second, counts."""
PATIENCE_SECONDS = 120.0
SEED = 20_260_302
NO_PROTOBUF = b"\xff\xff\xff"


def damaged_model(shop: Shop, seconds: float = BROKEN_SECONDS) -> Found:
    """Damage the model's file on the machine; then lose it, and a byte and after that a chunk in the database.

    The recommendation agent is killed each time, so that it has to load what is there.
    """
    with staged(shop, "damaged_model", recommendation_replicas=1) as stage:
        stage.load.say(DURING)
        folder = Path(stage.cluster.settings.model_cache_dir)
        _damage_file(_model_file(folder))
        kill(stage, [("recommendation", 0)])
        for name, damage in (("byte", _flip), ("chunk", None)):
            with stage.fault(f"a {name} of the model in the database"):
                whole = _change_chunk(stage.database, damage)
                _model_file(folder).unlink()
                stage.cluster.kill("recommendation")
                stage.found.kills += 1
                time.sleep(seconds)
                _put_chunk(stage.database, whole)
    return stage.found


def failing_projection(shop: Shop) -> Found:
    """Put events into the log that no agent can read: they are set aside, and all others go on."""
    with staged(shop, "failing_projection") as stage:
        with stage.fault("events of the log"):
            with stage.database.write() as connection:
                _append_unreadable(connection)
            wait_until(lambda: _set_aside(stage.database) >= UNREADABLE, "set aside")
        stage.found.notes["set_aside"] = _set_aside(stage.database)
        with stage.database.write() as connection:
            connection.execute(failed_events_table.delete())
    return stage.found


def cut_import(shop: Shop, cuts: int = CUTS, seed: int = SEED) -> Found:
    """Kill `quintet import` at random moments beside the agents, and let it end at last: every row is there once."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, no secret
    with staged(shop, "cut_import") as stage:
        file = _views_file(shop.folder / "views.csv")
        command = ["import", "events", str(file)]
        for number in range(cuts):
            with stage.fault(f"the import, {number + 1}"):
                stage.found.kills += _run_and_kill(stage.database.url, command, rng)
        _run(stage.database.url, command)
        stage.found.beside["product_view"] = IMPORTED
    return stage.found


def cut_migration(shop: Shop, cuts: int = CUTS, seed: int = SEED) -> Found:
    """Kill `quintet migrate` at random moments, and let it end at last: the schema is whole, and agents serve on it."""
    rng = random.Random(seed)  # noqa: S311 - reproducible, no secret
    url = shop.empty("cut_migration")
    killed = sum(_run_and_kill(url, ["migrate"], rng) for _ in range(cuts))
    _run(url, ["migrate"])
    copy_rows(f"sqlite:///{shop.trained}", url)
    with staged(shop, "cut_migration", url=url) as stage, stage.fault("the migration"):
        problems = [each for found in check_database(stage.database, lambda *_: None) for each in found.problems]
        if problems:
            raise AssertionError(f"the schema is not whole: {problems}")
    stage.found.kills += killed
    return stage.found


def _model_file(folder: Path) -> Path:
    return next(folder.glob("recommender-*.model"))


def _damage_file(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(_flip(byte))


def _flip(data: bytes) -> bytes:
    """Return the bytes with the one in the middle changed."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


def _change_chunk(database: Database, damage: Callable[[bytes], bytes] | None) -> dict[str, Any]:
    """Damage the first chunk of the active model, or delete it; return its row as it was."""
    columns = model_chunks.c
    active = select(model_versions.c.id).where(model_versions.c.kind == "recommender", model_versions.c.active)
    first = (columns.model_version_id == active.scalar_subquery(), columns.chunk == 0)
    with database.write() as connection:
        whole = dict(connection.execute(select(model_chunks).where(*first)).one()._mapping)
        connection.execute(model_chunks.delete().where(*first))
        if damage is not None:
            connection.execute(model_chunks.insert().values(whole | {"data": damage(bytes(whole["data"]))}))
    return whole


def _put_chunk(database: Database, whole: dict[str, Any]) -> None:
    """Put a chunk in its place again."""
    columns = model_chunks.c
    there = (columns.model_version_id == whole["model_version_id"], columns.chunk == whole["chunk"])
    with database.write() as connection:
        connection.execute(model_chunks.delete().where(*there))
        connection.execute(model_chunks.insert().values(whole))


def _append_unreadable(connection: Connection) -> None:
    """Append events whose payload is no message to the log."""
    now = datetime.now(UTC)
    names = (f"unreadable-{number}" for number in range(UNREADABLE))
    event_log.append(connection, [NewEvent(name, None, "product_view", now, NO_PROTOBUF) for name in names])


def _set_aside(database: Database) -> int:
    """Return how many events each of the agents that read the payloads has set aside, at least."""
    with database.read() as connection:
        found = failed_events.counts(connection)
    return min(found.get(consumer, 0) for consumer in (event_log.CUSTOMER_CONSUMER, event_log.FEEDBACK_CONSUMER))


def _views_file(path: Path) -> Path:
    rng = small_shop.seeded()
    products, customers = small_shop.products(rng), small_shop.customers(rng)
    begin = datetime.now(UTC) - timedelta(days=30)
    with path.open("w", newline="") as file:
        write = csv.writer(file).writerow
        write(("event_type", "customer_id", "product_id", "timestamp"))
        for number in range(IMPORTED):
            names = (customers[number % len(customers)].customer_id, products[number % len(products)].product_id)
            write(("view", *names, (begin + timedelta(minutes=number)).isoformat()))
    return path


def _run(url: str, command: Sequence[str]) -> None:
    """Run a command to its end. Raises CalledProcessError when it fails."""
    subprocess.run(
        _words(command), env=_environment(url), cwd=ROOT, check=True, stdout=DEVNULL, timeout=PATIENCE_SECONDS
    )


def _run_and_kill(url: str, command: Sequence[str], rng: random.Random) -> int:
    """Kill a command at a random moment; return 1, or 0 where it had ended before."""
    process = subprocess.Popen(_words(command), env=_environment(url), cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL)
    try:
        process.wait(rng.uniform(LEAST_WORK_SECONDS, LONGEST_WORK_SECONDS))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return 1
    return 0


def _words(command: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "cli.main", *command]


def _environment(url: str) -> dict[str, str]:
    return os.environ | {"QUINTET_DATABASE_URL": url}
