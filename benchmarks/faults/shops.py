"""The trained shop on which everything is tried: a copy of its own for each fault, on SQLite or PostgreSQL."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Table, func, make_url, select

from benchmarks.scale.load import train_shop
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.db.schema import metadata
from tests.support.postgres import Server, find_binaries, restartable_server, run_as_admin

TRAINED = "trained"


class Shop(Protocol):
    """Gives databases that begin with the same trained shop, the file `trained`. `kind` is `sqlite` or `postgres`."""

    kind: str
    folder: Path
    trained: Path

    def copy(self, name: str) -> str:
        """Make a copy under a new name and return its URL."""
        ...

    def empty(self, name: str) -> str:
        """Return the URL of a database without a schema under a new name."""
        ...


class SqliteShop:
    """The file `trained`, and copies of it."""

    kind = "sqlite"

    def __init__(self, folder: Path, trained: Path) -> None:
        self.folder = folder
        self.trained = trained

    def copy(self, name: str) -> str:
        """Copy the file into a folder of its own."""
        return f"sqlite:///{self.copy_to(self.folder / name)}"

    def empty(self, name: str) -> str:
        """Return the URL of a file that is not there yet, in a folder of its own."""
        (self.folder / name).mkdir()
        return f"sqlite:///{self.folder / name / 'quintet.db'}"

    def copy_to(self, folder: Path) -> Path:
        """Copy the file into a folder and return the path of the copy."""
        folder.mkdir(exist_ok=True)
        return Path(shutil.copy(self.trained, folder / "quintet.db"))


class PostgresShop:
    """A database with the rows of the file `trained`, and databases made after it, on a server that has no others."""

    kind = "postgres"

    def __init__(self, folder: Path, server: Server, trained: Path) -> None:
        self.folder = folder
        self.server = server
        self.trained = trained
        self.execute(f"CREATE DATABASE {TRAINED}")
        copy_rows(f"sqlite:///{trained}", self.url(TRAINED))

    def copy(self, name: str, *, options: str = "") -> str:
        """Make a database after the trained one; `options` are further words of CREATE DATABASE."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {TRAINED} {options}")
        return self.url(name)

    def empty(self, name: str) -> str:
        """Make a database without a schema and return its URL."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def url(self, name: str) -> str:
        """Return the URL of a database of the server."""
        return make_url(self.server.url).set(database=name).render_as_string(hide_password=False)

    def execute(self, statement: str) -> None:
        """Run a statement in the server's first database."""
        run_as_admin(self.server.url, statement)


@contextmanager
def shop_on(kind: str, folder: Path, trained: Path) -> Iterator[Shop]:
    """Give the trained shop on a kind of database. Raises FileNotFoundError where there is no PostgreSQL."""
    if kind == SqliteShop.kind:
        yield SqliteShop(folder, trained)
        return
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError("PostgreSQL is not installed: `apt-get install postgresql`")
    with restartable_server(binaries) as server:
        yield PostgresShop(folder, server, trained)


def trained_file(folder: Path) -> Path:
    """Fill and train the shop in a file of `folder`, unless one is there already; return its path."""
    trained, partial = folder / f"{TRAINED}.db", folder / "partial.db"
    if not trained.exists():
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("partial.db*"):
            old.unlink()
        train_shop(f"sqlite:///{partial}", quick=True)
        partial.rename(trained)
    return trained


def copy_rows(source_url: str, target_url: str) -> None:
    """Make the schema in an empty database, and copy all rows of another database into it."""
    source, target = Database(source_url), Database(target_url)
    try:
        migrate(target)
        with source.read() as reading, target.write() as writing:
            for table in reversed(metadata.sorted_tables):
                writing.execute(table.delete())
            for table in metadata.sorted_tables:
                _copy_table(reading, writing, table)
    finally:
        source.close()
        target.close()


def _copy_table(reading: Connection, writing: Connection, table: Table) -> None:
    rows = [dict(row._mapping) for row in reading.execute(select(table))]
    if rows:
        writing.execute(table.insert(), rows)
    counted = table.autoincrement_column
    if counted is not None and rows and writing.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, counted.name)
        writing.execute(select(func.setval(sequence, max(row[counted.name] for row in rows))))
