"""Fixtures for all tests. A test that takes `database` runs on SQLite and on PostgreSQL."""

import gc
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.support.databases import FileTemplate, PostgresTemplate, Template
from tests.support.postgres import find_binaries, running_server

# The first call of a compiled loop compiles it, which takes longer than any deadline of a test case.
settings.register_profile("quintet", deadline=None)
settings.load_profile("quintet")

# The usual one draws every local variable of every frame, matrices too, which takes seconds.
TRACEBACKS = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
structlog.configure(processors=[*structlog.get_config()["processors"][:-1], TRACEBACKS])


@pytest.fixture(autouse=True)
def model_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of model files: one of the test's own, and never the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def usual_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let jobs that run in the process of the tests leave its priority as it is; it could not be raised again."""
    monkeypatch.setattr(os, "nice", lambda _: 0)


@pytest.fixture(autouse=True)
def usual_garbage() -> Iterator[None]:
    """Undo what a server that ran in the process of the tests did for long lives: each change would cost a second."""
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a PostgreSQL server. Skips where none is installed, but fails in CI."""
    binaries = find_binaries()
    if binaries is None:
        message = "PostgreSQL is not installed: `apt-get install postgresql`"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with running_server(binaries) as url:
        yield url


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A PostgreSQL database with the newest schema and no rows."""
    return PostgresTemplate(postgres_server).prepared(tmp_path_factory.mktemp("template"), migrate)


@pytest.fixture(scope="session")
def sqlite_template(migrated_file: Path) -> Template:
    """A SQLite file with the newest schema and no rows."""
    return FileTemplate(migrated_file)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of a SQLite file with the newest schema and no rows."""
    path = tmp_path_factory.mktemp("template") / "quintet.db"
    with closing(Database(f"sqlite:///{path}")) as template:
        migrate(template)
    return path


@pytest.fixture
def sqlite_database(sqlite_template: Template, tmp_path: Path) -> Iterator[Database]:
    """A fresh SQLite file with the newest schema."""
    with sqlite_template.copied(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def postgres_database(postgres_template: Template, tmp_path: Path) -> Iterator[Database]:
    """A fresh PostgreSQL database with the newest schema."""
    with postgres_template.copied(tmp_path) as fresh:
        yield fresh


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    """Each of the two kinds of databases in turn."""
    return str(request.param)


@pytest.fixture
def database(database_kind: str, request: pytest.FixtureRequest) -> Database:
    """A fresh, empty database with the newest schema: each of the two kinds in turn."""
    return request.getfixturevalue(f"{database_kind}_database")  # type: ignore[no-any-return]
