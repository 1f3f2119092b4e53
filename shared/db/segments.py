"""Segments and who is in them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from shared.db.batches import distinct_batches
from shared.db.customers import keep
from shared.db.engine import insert_into
from shared.db.schema import customer_segment_memberships, customer_segments

RFM, LEARNED = "rfm", "learned"


@dataclass(frozen=True)
class Segment:
    """A segment: `kind` is `rfm` or `learned`, `criteria` its rule or description as JSON-able values."""

    name: str
    kind: str
    criteria: dict[str, Any]


@dataclass(frozen=True)
class Membership:
    """A customer's membership of a segment; confidence from 0 to 1."""

    segment: Segment
    confidence: float


def replace_segments(connection: Connection, segments: Sequence[Segment]) -> dict[str, int]:
    """Make `segments` the segments there are and return their keys by name.

    A segment that was there before keeps its key and its members; others go, with their memberships.
    """
    row = customer_segments.c
    known = {name: key for key, name in connection.execute(select(row.segment_id, row.segment_name))}
    gone = [key for name, key in known.items() if name not in {segment.name for segment in segments}]
    for some in distinct_batches(gone):
        connection.execute(
            customer_segment_memberships.delete().where(customer_segment_memberships.c.segment_id.in_(some))
        )
        connection.execute(customer_segments.delete().where(row.segment_id.in_(some)))
    if segments:
        insert = insert_into(connection, customer_segments)
        replaced = {name: insert.excluded[name] for name in ("kind", "segment_criteria")}
        statement = insert.on_conflict_do_update(index_elements=["segment_name"], set_=replaced)
        connection.execute(statement, [_row(segment) for segment in segments])
    return {name: key for key, name in connection.execute(select(row.segment_id, row.segment_name))}


def replace_memberships(connection: Connection, memberships: Mapping[int, Collection[tuple[int, float]]]) -> None:
    """Put customers into segments, (segment key, confidence) by customer key, and out of all others.

    Customers that were erased meanwhile are left out.
    """
    row = customer_segment_memberships.c
    now = datetime.now(UTC)
    for some in distinct_batches(memberships.keys()):
        connection.execute(customer_segment_memberships.delete().where(row.customer_id.in_(some)))
        rows = [
            {"customer_id": key, "segment_id": segment, "confidence_score": confidence, "updated_at": now}
            for key in sorted(keep(connection, some))
            for segment, confidence in memberships[key]
        ]
        if rows:
            connection.execute(customer_segment_memberships.insert(), rows)


def memberships_of(connection: Connection, customer_key: int) -> list[Membership]:
    """Return the segments a customer was in at the last refresh, most confident first."""
    segment, member = customer_segments.c, customer_segment_memberships.c
    query = (
        select(segment.segment_name, segment.kind, segment.segment_criteria, member.confidence_score)
        .join(customer_segment_memberships, member.segment_id == segment.segment_id)
        .where(member.customer_id == customer_key)
        .order_by(member.confidence_score.desc(), segment.segment_name)
    )
    return [Membership(Segment(*values), confidence) for *values, confidence in connection.execute(query)]


def segment_names(connection: Connection, customer_key: int) -> tuple[str, ...]:
    """Return the names of the segments a customer was in at the last refresh, rule-based ones first."""
    members = sorted(memberships_of(connection, customer_key), key=lambda member: member.segment.kind != RFM)
    return tuple(member.segment.name for member in members)


def names_by_customer(connection: Connection, customer_keys: Collection[int]) -> dict[int, list[str]]:
    """Return the names of the segments that customers were in at the last refresh, by customer."""
    segment, member = customer_segments.c, customer_segment_memberships.c
    names: dict[int, list[str]] = {}
    for some in distinct_batches(customer_keys):
        query = (
            select(member.customer_id, segment.segment_name)
            .join(customer_segments, member.segment_id == segment.segment_id)
            .where(member.customer_id.in_(some))
            .order_by(member.customer_id, segment.segment_name)
        )
        for key, name in connection.execute(query):
            names.setdefault(key, []).append(name)
    return names


def _row(segment: Segment) -> dict[str, Any]:
    return {
        "segment_name": segment.name,
        "kind": segment.kind,
        "segment_criteria": segment.criteria,
        "created_at": datetime.now(UTC),
    }
