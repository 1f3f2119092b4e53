"""Back a database up to a file and restore it, whichever of the two kinds it is."""

from pathlib import Path

from sqlalchemy import Connection, exists, literal, select, table

from shared.db.backup import postgres_backup, sqlite_backup
from shared.db.engine import Database
from shared.db.revision import current_revision
from shared.errors import FailedPrecondition, InvalidArgument
from shared.progress import Show


def back_up(database: Database, path: Path, show: Show) -> int:
    """Write one state of the whole database to `path`, also while others write, and return the size in bytes.

    The file has everything, personal data too, so only its owner may read it; it appears when it is whole.
    Raises FailedPrecondition when there is no database, Unavailable when it is out of reach.
    """
    if not _exists(database) or current_revision(database) is None:
        raise FailedPrecondition("there is nothing to back up: the database has no schema")
    _require_folder(path)
    if database.file is not None:
        if path.exists() and path.samefile(database.file):
            raise InvalidArgument.of("file", str(path), "is the database itself")
        sqlite_backup.back_up(database.file, path, show)
    else:
        postgres_backup.back_up(database, path, show)
    return path.stat().st_size


def restore(database: Database, path: Path, show: Show, *, replace: bool = False) -> None:
    """Put the backup in the place of the database and bring its schema up to date.

    A kill half-way leaves what was there before.

    Raises
    ------
    FailedPrecondition
        If the database has rows and `replace` does not say that they may go, if somebody works on it, or if the backup
        is of the other kind of database or a newer release.
    DataLoss
        If the backup is damaged.
    """
    kind = kind_of(path)
    if kind != database.dialect:
        raise FailedPrecondition(
            f"the backup is of {kind}, the database is {database.dialect}: import the data instead"
        )
    if not replace and _has_rows(database):
        raise FailedPrecondition("the database is not empty: --replace puts the backup in its place")
    if kind == "sqlite":
        sqlite_backup.restore(path, database, show)
    else:
        postgres_backup.restore(path, database, show)


def kind_of(path: Path) -> str:
    """Return the kind of database that a backup is of, `sqlite` or `postgresql`. Raises InvalidArgument."""
    try:
        with path.open("rb") as file:
            start = file.read(len(sqlite_backup.MAGIC))
    except OSError as error:
        raise InvalidArgument.of("file", str(path), f"cannot be read ({error.strerror})") from error
    if start == sqlite_backup.MAGIC:
        return "sqlite"
    if start.startswith(postgres_backup.MAGIC):
        return "postgresql"
    raise InvalidArgument.of("file", str(path), "is no backup")


def _require_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        raise InvalidArgument.of("file", str(path), "must be in a folder that exists")


def _exists(database: Database) -> bool:
    """Say whether there is a database: to look into one of SQLite makes the file."""
    return database.file is None or database.file.exists()


def _has_rows(database: Database) -> bool:
    if not _exists(database) or current_revision(database) is None:
        return False
    with database.read() as connection:
        return any(_has_row(connection, name) for name in postgres_backup.table_names(connection))


def _has_row(connection: Connection, name: str) -> bool:
    return bool(connection.execute(select(exists(select(literal(1)).select_from(table(name))))).scalar_one())
