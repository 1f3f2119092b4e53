"""PostgreSQL: the backup is a ZIP file with every table in the server's own text form, from one snapshot.

Written and read by COPY, so that it depends on no version of the server or of its tools. A manifest names the schema's
revision, the columns, the rows and the state of the sequences; ZIP has a checksum of each member.
"""

import json
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from alembic import command
from alembic.util import CommandError
from sqlalchemy import Connection, column, func, inspect, select, table, text

from shared.atomic_file import written_beside
from shared.db.engine import Database
from shared.db.migrate import alembic_config
from shared.db.revision import NEWEST, current_revision
from shared.errors import DataLoss, FailedPrecondition
from shared.progress import Show

MAGIC = b"PK"
MANIFEST = "manifest.json"
FORMAT = "quintet-backup-1"
COMPRESSION_LEVEL = 1
BLOCK_BYTES = 256 * 1024
REVISION_TABLE = "alembic_version"


@dataclass(frozen=True)
class TableCopy:
    """A table of a backup: its columns in their order, its rows, and the member that has them."""

    name: str
    columns: list[str]
    rows: int

    @property
    def member(self) -> str:
        """Name of the member of the ZIP file."""
        return f"tables/{self.name}"


def back_up(database: Database, path: Path, show: Show) -> None:
    """Copy all tables of one snapshot to `path`, which appears when it is whole."""
    with (
        written_beside(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION_LEVEL) as archive,
    ):
        with database.read() as connection:
            names = table_names(connection)
            tables = []
            for place, name in enumerate(names):
                show(f"copying {name}", place / len(names))
                tables.append(_write_table(connection, archive, name))
            manifest = {
                "format": FORMAT,
                "revision": _revision(connection),
                "tables": [asdict(each) for each in tables],
                "sequences": _sequences(connection),
            }
        archive.writestr(MANIFEST, json.dumps(manifest))
    show("done", 1.0)


def restore(path: Path, target: Database, show: Show) -> None:
    """Put the backup `path` in the place of what `target` has, in one transaction, and bring the schema up to date.

    Raises DataLoss when the backup is damaged, FailedPrecondition when it is of a newer release.
    """
    with closing(open_archive(path)) as archive:
        manifest = read_manifest(archive)
        with target.write() as connection:
            _prepare(target, connection, manifest["revision"])
            _read_tables(connection, archive, _tables(manifest), show)
            _set_sequences(connection, manifest["sequences"])
            command.upgrade(alembic_config(connection), NEWEST)
    show("done", 1.0)


def table_names(connection: Connection) -> list[str]:
    """Return the tables with data, those that others refer to first."""
    ordered = inspect(connection).get_sorted_table_and_fkc_names()
    return [name for name, _ in ordered if name is not None and name != REVISION_TABLE]


def open_archive(path: Path) -> zipfile.ZipFile:
    """Open a backup. Raises DataLoss when it is not whole."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DataLoss("the backup is damaged, or is none") from error


def read_manifest(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Return the manifest. Raises DataLoss for a file that is no backup."""
    try:
        manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataLoss("the backup is damaged, or is none") from error
    if manifest.get("format") != FORMAT:
        raise DataLoss(f"the backup has the format {manifest.get('format')!r}, not {FORMAT}")
    return manifest


def _tables(manifest: dict[str, Any]) -> list[TableCopy]:
    return [TableCopy(**each) for each in manifest["tables"]]


def _write_table(connection: Connection, archive: zipfile.ZipFile, name: str) -> TableCopy:
    columns = [column["name"] for column in inspect(connection).get_columns(name)]
    copied = TableCopy(name, columns, _count(connection, name))
    cursor: Any = connection.connection.cursor()
    with (
        archive.open(copied.member, "w", force_zip64=True) as member,
        cursor.copy(f"COPY {_quoted(name)} ({_listed(columns)}) TO STDOUT") as data,
    ):
        for block in data:
            member.write(block)
    return copied


def _count(connection: Connection, name: str) -> int:
    return int(connection.execute(select(func.count()).select_from(table(name))).scalar_one())


def _revision(connection: Connection) -> str:
    return str(connection.execute(select(column("version_num")).select_from(table(REVISION_TABLE))).scalar_one())


def _prepare(target: Database, connection: Connection, revision: str) -> None:
    """Have the tables of `revision`, empty."""
    config = alembic_config(connection)
    found = current_revision(target)
    if found is not None:
        _empty(connection)
        if found != revision:
            command.downgrade(config, "base")
    if found != revision:
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise FailedPrecondition(f"the backup has the schema {revision!r}, unknown to this release") from error


def _empty(connection: Connection) -> None:
    names = ", ".join(_quoted(name) for name in table_names(connection))
    connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))


def _read_tables(connection: Connection, archive: zipfile.ZipFile, tables: list[TableCopy], show: Show) -> None:
    for place, copied in enumerate(tables):
        show(f"restoring {copied.name}", place / len(tables))
        connection.execute(text(f"TRUNCATE {_quoted(copied.name)} CASCADE"))  # rows that a migration wrote
        try:
            _read_table(connection, archive, copied)
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
            raise DataLoss(f"the backup is damaged: {copied.name}") from error
        if _count(connection, copied.name) != copied.rows:
            raise DataLoss(f"the backup is damaged: {copied.name} has not all its rows")


def _read_table(connection: Connection, archive: zipfile.ZipFile, copied: TableCopy) -> None:
    cursor: Any = connection.connection.cursor()
    statement = f"COPY {_quoted(copied.name)} ({_listed(copied.columns)}) FROM STDIN"
    with archive.open(copied.member) as member, cursor.copy(statement) as data:
        for block in _blocks(member):
            data.write(block)


def _blocks(member: IO[bytes]) -> Iterator[bytes]:
    while block := member.read(BLOCK_BYTES):
        yield block


def _sequences(connection: Connection) -> dict[str, int]:
    """Return the last value of each sequence that was used, by name."""
    rows = connection.execute(
        text(
            "SELECT sequencename, last_value FROM pg_sequences "
            "WHERE schemaname = current_schema() AND last_value IS NOT NULL"
        )
    )
    return {row.sequencename: row.last_value for row in rows}


def _set_sequences(connection: Connection, sequences: dict[str, int]) -> None:
    for name, value in sequences.items():
        connection.execute(text("SELECT setval(:name, :value)"), {"name": _quoted(name), "value": value})


def _listed(columns: list[str]) -> str:
    return ", ".join(_quoted(name) for name in columns)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
