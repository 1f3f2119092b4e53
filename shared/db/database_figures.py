"""Figures of the database itself: room on its disk, the write-ahead log, settings that endanger data, its clock."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, text

from shared.db.engine import Database

SAFE_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")
"""Settings of PostgreSQL that are not `off` where a crash loses nothing."""


@dataclass(frozen=True)
class DatabaseFigures:
    """Figures at one moment.

    Attributes
    ----------
    disk_free_bytes, disk_bytes : int
        Of the disk with a SQLite file; 0 for PostgreSQL, whose disk is out of sight.
    size_bytes, wal_bytes : int
        Of the database, and of the write-ahead log; the latter is 0 where the server does not say it.
    connections, most_connections : int
        Of PostgreSQL; 0 for SQLite.
    unsafe_settings : mapping of str to str
        Settings of the server with which a crash may lose or damage data.
    own_clock_ahead_seconds : float
        By how much the clock of this process is ahead of the database's; 0 for SQLite, which has none.
    """

    disk_free_bytes: int = 0
    disk_bytes: int = 0
    size_bytes: int = 0
    wal_bytes: int = 0
    connections: int = 0
    most_connections: int = 0
    unsafe_settings: Mapping[str, str] = field(default_factory=dict)
    own_clock_ahead_seconds: float = 0.0


def database_figures(database: Database) -> DatabaseFigures:
    """Return the figures of a database. Raises Unavailable."""
    if database.file is not None:
        return _of_file(database.file)
    with database.read() as connection:
        return _of_server(connection)


def _of_file(file: Path) -> DatabaseFigures:
    disk = shutil.disk_usage(file.absolute().parent)
    return DatabaseFigures(
        disk_free_bytes=disk.free,
        disk_bytes=disk.total,
        size_bytes=_size(file),
        wal_bytes=_size(file.with_name(f"{file.name}-wal")),
    )


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:  # no log is there while nobody writes
        return 0


def _of_server(connection: Connection) -> DatabaseFigures:
    clock = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    ahead = (datetime.now(UTC) - clock).total_seconds()
    row = connection.execute(
        text(
            "SELECT pg_database_size(current_database()) AS size,"
            " (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,"
            " current_setting('max_connections')::int AS most"
        )
    ).one()
    settings = {name: _setting(connection, name) for name in SAFE_SETTINGS}
    return DatabaseFigures(
        size_bytes=row.size,
        wal_bytes=_wal_bytes(connection),
        connections=row.connections,
        most_connections=row.most,
        unsafe_settings={name: value for name, value in settings.items() if value == "off"},
        own_clock_ahead_seconds=ahead,
    )


def _setting(connection: Connection, name: str) -> str:
    return str(connection.execute(text("SELECT current_setting(:name)"), {"name": name}).scalar_one())


def _wal_bytes(connection: Connection) -> int:
    """Return the size of the log's files; 0 where the user may not see them."""
    allowed = "SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE')"
    if not connection.execute(text(allowed)).scalar_one():
        return 0
    return int(connection.execute(text("SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()")).scalar_one())
