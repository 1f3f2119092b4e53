"""Faults of the database: locked, without room on its disk, damaged, stopped, silent."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import text

from benchmarks.faults.ledger import DURING
from benchmarks.faults.mounts import Disk, small_disk
from benchmarks.faults.shops import PostgresShop, Shop, SqliteShop
from benchmarks.faults.stage import Found, settings_for, staged
from benchmarks.faults.whole import wait_until
from shared.db.backup.files import back_up, restore
from shared.db.engine import Database
from shared.db.schema import event_log
from shared.rpc.probe import health
from tests.support.proxy import proxy_to

LOCKED_SECONDS = 6.0
AWAY_SECONDS = 5.0
DAMAGED_BYTES = 4096
DISK_MB = 48
RESTARTS = 2


def locked(shop: Shop, seconds: float = LOCKED_SECONDS) -> Found:
    """Hold the lock that every writer needs for some seconds."""
    with staged(shop, "locked") as stage, stage.fault("the write lock"), _write_lock(stage.database):
        time.sleep(seconds)
    return stage.found


def full_disk(shop: Shop, seconds: float = AWAY_SECONDS) -> Found:
    """Fill the disk of the database while events are recorded, and make room again."""
    with small_disk(shop.folder / "disk", DISK_MB) as disk:
        with staged(shop, "full_disk", url=_copy_on(shop, disk)) as stage, stage.fault("the disk"):
            disk.fill()
            time.sleep(seconds)
            disk.empty()
        if isinstance(shop, PostgresShop):
            shop.execute("DROP DATABASE full_disk WITH (FORCE)")
            shop.execute("DROP TABLESPACE small")
    return stage.found


def damaged(shop: Shop) -> Found:
    """Overwrite pages of the database: agents say so and leave SERVING; the backup makes all whole again."""
    backup = shop.folder / "before.backup"
    with staged(shop, "damaged", recommendation_replicas=1) as stage:
        stage.found.expected = ("DATA_LOSS",)
        stage.load.say("ask")
        time.sleep(1.0)  # what is being recorded ends
        back_up(stage.database, backup, lambda *_: None)
        stage.load.say(DURING)
        began = time.monotonic()
        _damage(Path(str(stage.database.file)))
        wait_until(lambda: health(stage.cluster.address) == "NOT_SERVING", "known to be damaged")
        stage.found.notes["noticed_seconds"] = round(time.monotonic() - began, 2)
        stage.cluster.stop_agents()
        stage.database.close()
        restore(stage.database, backup, lambda *_: None, replace=True)
        began = time.monotonic()
        stage.cluster.start_again()
        stage.found.notes["start_seconds"] = round(time.monotonic() - began, 2)
        stage.recover("the file", time.monotonic())
        stage.load.say("record")
    return stage.found


def restarted(shop: PostgresShop, seconds: float = AWAY_SECONDS, times: int = RESTARTS) -> Found:
    """Stop the server at once, as in a crash, and start it again."""
    with staged(shop, "restarted") as stage:
        for number in range(times):
            with stage.fault(f"the server, {number + 1}"):
                shop.server.stop()
                time.sleep(seconds)
                shop.server.start()
    return stage.found


def silent(shop: PostgresShop, seconds: float = AWAY_SECONDS) -> Found:
    """Have nothing come back from the server, of open connections and of new ones, and then all of it."""
    with proxy_to(shop.server.port) as proxy:
        direct = shop.copy("silent")
        through = direct.replace(f":{shop.server.port}/", f":{proxy.port}/")
        settings = settings_for(shop, "silent", through)
        with staged(shop, "silent", url=direct, settings=settings) as stage, stage.fault("the connections"):
            proxy.silence()
            time.sleep(seconds)
            proxy.speak()
    return stage.found


@contextmanager
def _write_lock(database: Database) -> Iterator[None]:
    if database.file is not None:
        with closing(sqlite3.connect(database.file, isolation_level=None, timeout=30)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        return
    with database.write() as connection:
        connection.execute(text(f"LOCK TABLE {event_log.name} IN EXCLUSIVE MODE"))
        yield


def _damage(file: Path) -> None:
    """Overwrite every fourth page, the first of all left out, and have the write-ahead log not cover it."""
    with closing(sqlite3.connect(file, timeout=30)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with file.open("r+b") as damaged:
        for start in range(DAMAGED_BYTES, file.stat().st_size, 4 * DAMAGED_BYTES):
            damaged.seek(start)
            damaged.write(b"\xa5" * DAMAGED_BYTES)


def _copy_on(shop: Shop, disk: Disk) -> str:
    """Copy the shop to a disk of its own; of PostgreSQL the tables alone, as the log needs a disk of its own."""
    if isinstance(shop, PostgresShop):
        disk.give_to(shop.server.folder)
        shop.execute(f"CREATE TABLESPACE small LOCATION '{disk.folder}'")
        return shop.copy("full_disk", options="TABLESPACE small")
    assert isinstance(shop, SqliteShop)  # noqa: S101 - for the type checker: there are two kinds
    return f"sqlite:///{shop.copy_to(disk.folder)}"
