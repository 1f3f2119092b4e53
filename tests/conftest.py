"""Fixtures for all tests. A test that takes `database` runs on SQLite and on PostgreSQL."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.support.postgres import find_binaries, running_server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server. Skips where none is installed, but fails in CI."""
    binaries = find_binaries()
    if binaries is None:
        message = "PostgreSQL is not installed: `apt-get install postgresql`"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with running_server(binaries) as url:
        yield url


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite file with the newest schema."""
    database = Database(f"sqlite:///{tmp_path / 'quintet.db'}")
    migrate(database)
    yield database
    database.close()


@pytest.fixture
def postgres_database(postgres_server: str) -> Iterator[Database]:
    """A fresh PostgreSQL database with the newest schema."""
    name = f"quintet_{uuid.uuid4().hex[:12]}"
    admin = create_engine(
        postgres_server.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    database = Database(postgres_server.replace("/postgres", f"/{name}"))
    migrate(database)
    yield database
    database.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh, empty database with the newest schema: each of the two kinds in turn."""
    return request.getfixturevalue(f"{request.param}_database")  # type: ignore[no-any-return]
