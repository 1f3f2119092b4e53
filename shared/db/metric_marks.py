"""What metrics are to be made anew of, beyond what the events of the log say: noted by whoever changes it.

A mark is written in the transaction of the change, and deleted in the one that makes the metrics anew. Marks are only
ever added, also where the same key is marked already: who deletes a mark must have seen the change that it tells of.
"""

import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from shared.db.batches import among, batches
from shared.db.schema import customers, metric_marks, recommendation_lists, session_facts

LISTS, CUSTOMERS, EVENTS = "lists", "customers", "events"
"""Kinds: numbers of lists, keys of customers with all their sessions and lists, numbers of the log."""
AT_ONCE = {LISTS: 500, CUSTOMERS: 50, EVENTS: 500}
"""Most keys of a mark, by kind: as many as are made anew in one short transaction."""
MOST_MARKS = 500
KEY_BYTES = 8


@dataclass
class Marked:
    """What is to be made anew, by kind; `marks` are the keys of the rows that say so."""

    marks: list[int] = field(default_factory=list)
    keys: dict[str, set[int]] = field(default_factory=lambda: {LISTS: set(), CUSTOMERS: set(), EVENTS: set()})


def mark(connection: Connection, kind: str, keys: Iterable[int]) -> None:
    """Note that metrics of keys of a kind are to be made anew."""
    rows = [
        {"kind": kind, "keys": struct.pack(f"<{len(some)}q", *some)}
        for some in batches(sorted(set(keys)), AT_ONCE[kind])
    ]
    if rows:
        connection.execute(metric_marks.insert(), rows)


def take(connection: Connection) -> Marked:
    """Return the first marks, as many as are made anew in one short transaction. They stay until `forget`."""
    columns, found, share = metric_marks.c, Marked(), 0.0
    for row in connection.execute(select(metric_marks).order_by(columns.id).limit(MOST_MARKS)):
        keys = struct.unpack(f"<{len(row.keys) // KEY_BYTES}q", row.keys)
        share += len(keys) / AT_ONCE[row.kind]
        if found.marks and share > 1:
            break
        found.marks.append(row.id)
        found.keys[row.kind].update(keys)
    return found


def forget(connection: Connection, marks: Collection[int]) -> None:
    """Delete marks of which the metrics are made anew."""
    if marks:
        connection.execute(metric_marks.delete().where(among(connection, metric_marks.c.id, marks)))


def waiting(connection: Connection) -> int:
    """Return how many marks there are."""
    return int(connection.execute(select(func.count()).select_from(metric_marks)).scalar_one())


def mark_everything(connection: Connection) -> int:
    """Have the metrics of all that is stored made anew, and return how many customers and lists that are.

    Facts whose sessions were deleted for their age stay as they are: nothing else knows of them.
    """
    everybody = connection.execute(select(customers.c.customer_id)).scalars().all()
    nobodys = select(recommendation_lists.c.id).where(recommendation_lists.c.customer_id.is_(None))
    lists = connection.execute(nobodys).scalars().all()
    mark(connection, CUSTOMERS, everybody)
    mark(connection, LISTS, lists)
    return len(everybody) + len(lists)


def forget_sessions(connection: Connection, sessions: Collection[int]) -> None:
    """Delete the facts of sessions that became part of others, or are made anew under other keys."""
    connection.execute(session_facts.delete().where(among(connection, session_facts.c.session_id, sessions)))
