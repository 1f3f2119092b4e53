"""Databases that are prepared once and copied for each test."""

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import make_url

from shared.db.engine import Database
from tests.support.postgres import run_as_admin

FILE = "quintet.db"


class Template(Protocol):
    """A database that nobody changes."""

    def copied(self, folder: Path) -> AbstractContextManager[Database]:
        """Open a copy of one's own, a file of it in `folder`."""

    def prepared(self, folder: Path, prepare: Callable[[Database], object]) -> "Template":
        """Return a template of a copy that `prepare` has changed."""


@dataclass(frozen=True)
class FileTemplate:
    """A SQLite file."""

    path: Path

    @contextmanager
    def copied(self, folder: Path) -> Iterator[Database]:
        """Open a copy in `folder`."""
        with closing(Database(f"sqlite:///{shutil.copy(self.path, folder / FILE)}")) as database:
            yield database

    def prepared(self, folder: Path, prepare: Callable[[Database], object]) -> "FileTemplate":
        """Return a template in `folder`."""
        with self.copied(folder) as database:
            prepare(database)
        return FileTemplate(folder / FILE)


@dataclass(frozen=True)
class PostgresTemplate:
    """A database of a PostgreSQL server."""

    server: str
    name: str = "template1"

    @contextmanager
    def copied(self, _: Path) -> Iterator[Database]:
        """Open a copy that goes away at the end."""
        copy = self._copy()
        try:
            with closing(copy._open()) as database:
                yield database
        finally:
            run_as_admin(self.server, f"DROP DATABASE {copy.name} WITH (FORCE)")

    def prepared(self, _: Path, prepare: Callable[[Database], object]) -> "PostgresTemplate":
        """Return a template that stays as long as the server."""
        copy = self._copy()
        with closing(copy._open()) as database:
            prepare(database)
        return copy

    def _copy(self) -> "PostgresTemplate":
        name = f"quintet_{uuid.uuid4().hex[:12]}"
        run_as_admin(self.server, f"CREATE DATABASE {name} TEMPLATE {self.name}")
        return PostgresTemplate(self.server, name)

    def _open(self) -> Database:
        return Database(make_url(self.server).set(database=self.name).render_as_string(hide_password=False))
