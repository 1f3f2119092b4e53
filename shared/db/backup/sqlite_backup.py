"""SQLite: the backup is a database file, copied from one state of the data while others write.

The reader holds its snapshot in the write-ahead log, so a backup keeps nobody waiting and never starts anew; what is
written meanwhile stays in the log until it has ended.
"""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from shared.atomic_file import written_beside
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.errors import DataLoss, FailedPrecondition
from shared.progress import Show

PAGES = 256
"""Pages of a slice, 1 MiB; the interpreter is free for others between two."""
MAGIC = b"SQLite format 3\x00"


def back_up(source: Path, path: Path, show: Show) -> None:
    """Copy the database file `source` to `path`, which appears when it is whole."""
    with written_beside(path) as partial:
        _forget_log(partial)
        with closing(_open(source)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()  # takes the snapshot
            _copy(connection, partial, "copying", show)
        _single_file(partial)


def restore(path: Path, target: Database, show: Show) -> None:
    """Put the backup `path` in the place of the database `target`, brought to the newest schema.

    Raises DataLoss when the backup is damaged, FailedPrecondition while somebody works on the target. The file that
    was there stays until the new one is whole.
    """
    file = target.file
    assert file is not None  # noqa: S101 - for the type checker: it is SQLite
    with written_beside(file) as partial:
        _forget_log(partial)
        with closing(_open(path)) as connection:
            _copy(connection, partial, "restoring", show)
        _check(partial)
        with closing(Database(f"sqlite:///{partial}")) as restored:
            migrate(restored)
        _single_file(partial)
        target.close()
        _retire(file)


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True, isolation_level=None)


def _copy(connection: sqlite3.Connection, partial: Path, stage: str, show: Show) -> None:
    def said(_status: int, remaining: int, total: int) -> None:
        show(stage, 1.0 - remaining / max(total, 1))

    try:
        with closing(sqlite3.connect(partial, isolation_level=None)) as copy:
            connection.backup(copy, pages=PAGES, progress=said, sleep=0)
    except sqlite3.DatabaseError as error:
        raise DataLoss("the database file that is read is damaged") from error


def _single_file(partial: Path) -> None:
    """Have all of the database in its one file, without a write-ahead log beside it."""
    with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE").fetchone()


def _check(partial: Path) -> None:
    with closing(sqlite3.connect(partial, isolation_level=None)) as connection:
        try:
            found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.DatabaseError as error:
            raise DataLoss("the backup is damaged") from error
    if found != "ok":
        raise DataLoss("the backup is damaged")


def _retire(file: Path) -> None:
    """Empty and remove the write-ahead log of the file that is replaced: it must never meet the new file."""
    if not file.exists():
        return
    with closing(sqlite3.connect(file, isolation_level=None, timeout=1.0)) as connection:
        try:
            mode: Any = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        except sqlite3.OperationalError as error:
            raise FailedPrecondition("somebody works on the database: stop the agents first") from error
        except sqlite3.DatabaseError:  # a damaged file, which is why it is replaced
            mode = "delete"
    if mode != "delete":
        raise FailedPrecondition("somebody works on the database: stop the agents first")
    _forget_log(file)


def _forget_log(file: Path) -> None:
    """Remove logs that a killed process left beside a file that is no more: SQLite would apply them to the next one."""
    for suffix in ("-wal", "-shm", "-journal"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
