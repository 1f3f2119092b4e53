"""What is wrong with the events that arrive: counts by the hour, with the ids of a few."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from shared.db.engine import insert_into
from shared.db.schema import event_quality


class Fault(NamedTuple):
    """What is wrong: with a kind of event, how (`malformed`, `unknown`, `refused`, `late`, `duplicate`), in a field."""

    kind: str
    problem: str
    field: str = ""


@dataclass(frozen=True)
class FaultCount:
    """How many events of an hour have a fault, and the ids of some of them."""

    hour: datetime
    fault: Fault
    events: int
    examples: list[str]


def add(connection: Connection, counted: Iterable[FaultCount]) -> None:
    """Add counts to those of the same hours; the examples that came first stay."""
    columns = event_quality.c
    for each in counted:
        row = {"hour": each.hour, **each.fault._asdict(), "events": each.events, "examples": each.examples}
        insert = insert_into(connection, event_quality).values(row)
        more = {"events": columns.events + each.events}
        key = [columns.hour, columns.kind, columns.problem, columns.field]
        connection.execute(insert.on_conflict_do_update(index_elements=key, set_=more))


def read(connection: Connection, start: datetime, end: datetime, limit: int) -> list[FaultCount]:
    """Return the counts of the hours that begin from `start` on and before `end`, latest hour and most events first."""
    columns = event_quality.c
    query = (
        select(event_quality)
        .where(columns.hour >= start, columns.hour < end)
        .order_by(columns.hour.desc(), columns.events.desc(), columns.kind, columns.problem, columns.field)
        .limit(limit)
    )
    return [
        FaultCount(row.hour, Fault(row.kind, row.problem, row.field), row.events, row.examples)
        for row in connection.execute(query)
    ]


def drop_before(connection: Connection, moment: datetime) -> int:
    """Delete the counts of hours that began before a moment, and return how many rows that were."""
    return connection.execute(event_quality.delete().where(event_quality.c.hour < moment)).rowcount
