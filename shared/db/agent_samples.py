"""Samples of the performance of agents, each written by its agent, kept for a week."""

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select, text

from shared.db.engine import Database
from shared.db.schema import agent_samples
from shared.monitoring.sample import Sample

KEPT = timedelta(days=7)
FIGURES = tuple(each.name for each in fields(Sample))


@dataclass(frozen=True)
class StoredSample:
    """The sample of an instance of an agent, and by how many seconds its clock was ahead of the database's.

    That is 0 for SQLite, which has no clock of its own.
    """

    agent: str
    instance: str
    sampled_at: datetime
    clock_ahead_seconds: float
    sample: Sample


def store(database: Database, agent: str, instance: str, sample: Sample, now: datetime | None = None) -> None:
    """Store a sample of an instance, and delete those of its agent that are older than a week.

    Raises
    ------
    Unavailable
        If the database is out of reach.
    """
    columns = agent_samples.c
    with database.write() as connection:
        at = now or datetime.now(UTC)
        row = {"agent": agent, "instance": instance, "sampled_at": at, "clock_ahead_seconds": _ahead(connection, at)}
        connection.execute(agent_samples.delete().where(columns.agent == agent, columns.sampled_at < at - KEPT))
        connection.execute(agent_samples.insert().values({**row, **asdict(sample)}))


def latest(connection: Connection, since: datetime) -> list[StoredSample]:
    """Return the last sample of each instance that has one since a moment, by agent and instance."""
    columns = agent_samples.c
    newest = (
        select(columns.agent, columns.instance, func.max(columns.sampled_at).label("newest"))
        .where(columns.sampled_at >= since)
        .group_by(columns.agent, columns.instance)
        .subquery()
    )
    is_newest = (
        (columns.agent == newest.c.agent)
        & (columns.instance == newest.c.instance)
        & (columns.sampled_at == newest.c.newest)
    )
    rows = connection.execute(select(agent_samples).join(newest, is_newest).order_by(columns.agent, columns.instance))
    return [
        StoredSample(
            row.agent,
            row.instance,
            row.sampled_at,
            row.clock_ahead_seconds,
            Sample(**{name: row._mapping[name] for name in FIGURES}),
        )
        for row in rows
    ]


def _ahead(connection: Connection, now: datetime) -> float:
    if connection.dialect.name != "postgresql":
        return 0.0
    clock: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return (now - clock).total_seconds()
