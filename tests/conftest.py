"""Fixtures for all tests. A test that takes `database` runs on SQLite and on PostgreSQL."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import create_engine, make_url, text

from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.support.postgres import find_binaries, running_server

TEMPLATE = "quintet_template"

# The first call of a compiled loop compiles it, which takes longer than any deadline of a test case.
settings.register_profile("quintet", deadline=None)
settings.load_profile("quintet")


@pytest.fixture(autouse=True)
def model_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of model files: one of the test's own, and never the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def usual_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs that run in the process of the tests leave its priority as it is; it could not be raised again."""
    monkeypatch.setattr(os, "nice", lambda _: 0)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server with a migrated template. Skips where none is installed, but fails in CI."""
    binaries = find_binaries()
    if binaries is None:
        message = "PostgreSQL is not installed: `apt-get install postgresql`"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with running_server(binaries) as url:
        _run_as_admin(url, f"CREATE DATABASE {TEMPLATE}")
        with _closing(Database(_named(url, TEMPLATE))) as template:
            migrate(template)
        yield url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema and no rows."""
    path = tmp_path_factory.mktemp("template") / "quintet.db"
    with _closing(Database(f"sqlite:///{path}")) as template:
        migrate(template)
    return path


@pytest.fixture
def sqlite_database(migrated_file: Path, tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite file with the newest schema."""
    shutil.copy(migrated_file, tmp_path / "quintet.db")
    with _closing(Database(f"sqlite:///{tmp_path / 'quintet.db'}")) as fresh:
        yield fresh


@pytest.fixture
def postgres_database(postgres_server: str) -> Iterator[Database]:
    """A fresh PostgreSQL database with the newest schema."""
    name = f"quintet_{uuid.uuid4().hex[:12]}"
    _run_as_admin(postgres_server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    try:
        with _closing(Database(_named(postgres_server, name))) as fresh:
            yield fresh
    finally:
        _run_as_admin(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Database:
    """A fresh, empty database with the newest schema: each of the two kinds in turn."""
    return request.getfixturevalue(f"{request.param}_database")  # type: ignore[no-any-return]


@contextmanager
def _closing(database: Database) -> Iterator[Database]:
    try:
        yield database
    finally:
        database.close()


def _named(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _run_as_admin(server: str, statement: str) -> None:
    engine = create_engine(make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
