"""Checks of a whole database: what is stored can be read, and holds together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Table, Text, and_, cast, exists, func, literal_column, select, text
from sqlalchemy.exc import DBAPIError

from shared.db import models
from shared.db.engine import Database
from shared.db.event_log import last_sequence
from shared.db.revision import schema_problem
from shared.db.schema import event_cursors, metadata, model_versions
from shared.errors import DataLoss, QuintetError
from shared.progress import Show

MOST_SHOWN = 5
"""Findings of a check that are told one by one."""


@dataclass(frozen=True)
class Finding:
    """What a check found: `problems` is empty where all is well. They name tables, versions and numbers, no content."""

    check: str
    problems: list[str]


def check_database(database: Database, show: Show) -> list[Finding]:
    """Check everything, also while agents work, and return what each check found. Changes nothing."""
    checks: dict[str, Callable[[Database], Iterator[str]]] = {
        "schema": _schema,
        "storage": _storage,
        "references": _references,
        "cursors": _cursors,
        "models": _models,
    }
    findings = []
    for place, (name, check) in enumerate(checks.items()):
        show(name, place / len(checks))
        findings.append(Finding(name, _problems(database, check)))
    show("done", 1.0)
    return findings


def _problems(database: Database, check: Callable[[Database], Iterator[str]]) -> list[str]:
    found: list[str] = []
    try:
        for problem in check(database):
            found.append(problem)
            if len(found) > MOST_SHOWN:
                return [*found[:MOST_SHOWN], "and more"]
    except QuintetError as error:
        found.append(error.message)
    except DBAPIError as error:
        found.append(f"the database refused to be read ({type(error.orig).__name__})")
    return found


def _schema(database: Database) -> Iterator[str]:
    problem = schema_problem(database)
    if problem:
        yield problem


def _storage(database: Database) -> Iterator[str]:
    """SQLite checks every page and index. PostgreSQL reads all rows, and checks indexes where it has `amcheck`."""
    with database.read() as connection:
        if database.dialect == "sqlite":
            rows = connection.execute(text("PRAGMA integrity_check")).scalars().all()
            yield from (str(row) for row in rows if row != "ok")
            return
        for table in metadata.sorted_tables:
            _read_all(connection, table)
        if connection.execute(text("SELECT 1 FROM pg_extension WHERE extname = 'amcheck'")).first():
            connection.execute(text(INDEX_CHECK))


INDEX_CHECK = """
SELECT bt_index_check(index => c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'btree' AND i.indisvalid
AND c.relnamespace = current_schema()::regnamespace
"""


def _read_all(connection: Connection, table: Table) -> None:
    """Have the server read each value of a table, also those that are stored apart, and send none."""
    row = cast(literal_column("row_of_table"), Text)
    connection.execute(select(func.count(func.md5(row))).select_from(table.alias("row_of_table"))).scalar_one()


def _references(database: Database) -> Iterator[str]:
    with database.read() as connection:
        if database.dialect == "sqlite":
            for row in connection.execute(text("PRAGMA foreign_key_check")):
                yield f"{row[0]}: row {row[1]} refers to a row of {row[2]} that is not there"
            return
        for table in metadata.sorted_tables:
            yield from _lost_references(connection, table)


def _lost_references(connection: Connection, table: Table) -> Iterator[str]:
    for key in table.foreign_key_constraints:
        other = key.referred_table.alias()
        pairs = [(element.parent, other.c[element.column.name]) for element in key.elements]
        there = exists().where(*(own == referred for own, referred in pairs))
        lost = select(func.count()).select_from(table).where(and_(*(own.is_not(None) for own, _ in pairs)), ~there)
        count = connection.execute(lost).scalar_one()
        if count:
            yield f"{table.name}: {count} rows refer to rows of {other.name} that are not there"


def _cursors(database: Database) -> Iterator[str]:
    with database.read() as connection:
        last = last_sequence(connection)
        for row in connection.execute(select(event_cursors.c.consumer, event_cursors.c.sequence)):
            if row.sequence > last:
                yield f"{row.consumer} has applied event {row.sequence}, but the log ends at {last}"


def _models(database: Database) -> Iterator[str]:
    columns = model_versions.c
    with database.read() as connection:
        kinds = connection.execute(select(columns.kind).distinct()).scalars().all()
        for kind in kinds:
            if kind.endswith(models.LEAVING):
                continue
            for version in models.list_versions(connection, kind):
                yield from _damage(database, version)


def _damage(database: Database, version: models.ModelVersion) -> Iterator[str]:
    try:
        for _ in models.read_model(database, version):
            pass
    except DataLoss as error:
        # A version without all its chunks is one that is being stored, or whose training was killed.
        if version.active:
            yield error.message
