"""A customer's right to be forgotten, and to have their data: every row of every table about them.

What is about a customer is read off the schema: rows of tables with a foreign key to `customers`, and rows of tables
that refer to such rows. Beside them only the event log needs a word: feedback names recommendations in its payload.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import structlog
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import Feedback
from sqlalchemy import Column, ColumnElement, Connection, Table, and_, or_, select

from shared.db.batches import batches
from shared.db.customer_embeddings import STORED
from shared.db.engine import Database
from shared.db.erasure_receipts import Receipt, store_receipt
from shared.db.event_log import CONSUMERS, FEEDBACK_CONSUMER, cursor
from shared.db.event_rows import FEEDBACK, is_kind, kind_of, unpack_id
from shared.db.forgotten import forget
from shared.db.partitions import stop_applying
from shared.db.recommendations import list_of, recommendation_key, recommendations_of
from shared.db.schema import (
    customer_embeddings,
    customers,
    event_log,
    failed_events,
    metadata,
    recommendation_lists,
    recommendation_outcomes,
    recommendations,
    unjoined_events,
    visitors,
    waiting_responses,
)
from shared.recommendation_tokens import list_number

ROWS_AT_ONCE = 1_000
CHECKPOINT_WAIT_MS = 1_000
_FEEDBACK_ROWS = (
    (waiting_responses, waiting_responses.c.event_sequence),
    (failed_events, failed_events.c.sequence),
    (event_log, event_log.c.sequence),
)
"""Where feedback of no named shopper lies, and the column with its number in the log; what refers comes first."""
logger = structlog.get_logger()


def personal_tables() -> list[Table]:
    """Return the tables that hold rows about customers; each comes after those it refers to."""
    personal = [customers]
    for table in metadata.sorted_tables:
        if table is not customers and _owners(table, personal):
            personal.append(table)
    return personal


def erase(connection: Connection, customer_key: int) -> Receipt:
    """Delete every row about a customer and store a receipt, all in the transaction of `connection`.

    Models must not use the customer's history any more (`shared.db.forgotten`).
    """
    # Who applies events changes rows about the customer before adding some. They are waited for first, and none begins:
    # else they would wait for the customer while the erasure waits for those rows, or add what refers to erased events.
    for consumer in CONSUMERS:
        stop_applying(connection, consumer)
    # Nobody may add a row about the customer meanwhile.
    connection.execute(select(customers.c.customer_id).where(customers.c.customer_id == customer_key).with_for_update())
    forgotten = forget(connection, [customer_key])
    feedback = _feedback_numbers(connection, customer_key)
    nobodys = _adopted_lists(connection, customer_key)
    waiting = connection.execute(unjoined_events.delete().where(_names(customer_key))).rowcount
    rows = {
        table.name: connection.execute(table.delete().where(_about(table, customer_key))).rowcount
        for table in reversed(personal_tables())
    }
    for some in batches(feedback):
        for table, number in _FEEDBACK_ROWS:
            rows[table.name] += connection.execute(table.delete().where(number.in_(some))).rowcount
    rows[unjoined_events.name] = waiting
    rows[recommendation_lists.name] += _delete_unused(connection, nobodys)
    return store_receipt(connection, {name: count for name, count in rows.items() if count}, forgotten)


def forget_log(database: Database) -> bool:
    """Empty the write-ahead log of SQLite, which may show erased rows until then; return whether it is empty.

    Call it after the transaction. Somebody who reads meanwhile may prevent it; the log is overwritten sooner or later.
    """
    if database.dialect != "sqlite":
        return True
    borrowed = database.engine.raw_connection()
    try:
        statements = borrowed.cursor()
        # Waiting for readers keeps writers out, so it must not be long.
        statements.execute(f"PRAGMA busy_timeout={CHECKPOINT_WAIT_MS}")
        statements.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        prevented = any(busy for busy, *_ in statements.fetchall())
        statements.execute(f"PRAGMA busy_timeout={int(database.limits.lock_seconds * 1000)}")
    finally:
        borrowed.close()
    if prevented:
        logger.info("the write-ahead log could not be emptied after an erasure: somebody is reading")
    return not prevented


def export(connection: Connection, customer_key: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (table, row as JSON-able values) for every row about a customer, table by table.

    Moments are ISO 8601 text in UTC, embeddings lists of numbers, payloads of events their JSON form.
    """
    feedback = _feedback_numbers(connection, customer_key)
    for table in personal_tables():
        if table is recommendations:
            yield from ((table.name, _plain(row)) for row in recommendations_of(connection, customer_key))
        elif table is customers:
            yield from (
                ("customers", _with_one_email(row)) for _, row in _rows(connection, table, _about(table, customer_key))
            )
        elif table is not recommendation_lists:  # their items are the recommendations
            yield from _rows(connection, table, _about(table, customer_key))
    yield from _rows(connection, unjoined_events, _names(customer_key))
    for some in batches(feedback):
        for table, number in _FEEDBACK_ROWS:
            yield from _rows(connection, table, number.in_(some))


def _owners(table: Table, personal: Sequence[Table]) -> list[tuple[Column[Any], Column[Any]]]:
    """Return pairs of a column and the column of a personal table that it refers to; only `customers` if it can."""
    keys = [(key.parent, key.column) for key in table.foreign_keys if key.column.table in personal]
    return [pair for pair in keys if pair[1].table is customers] or keys


def _about(table: Table, customer_key: int) -> ColumnElement[bool]:
    """Return the condition that a row of a personal table is about the customer."""
    if table is customers:
        return customers.c.customer_id == customer_key
    conditions = []
    for column, owner in _owners(table, personal_tables()):
        if owner.table is customers:
            conditions.append(column == customer_key)
        else:
            conditions.append(column.in_(select(owner).where(_about(owner.table, customer_key))))
    return or_(*conditions)


def _names(customer_key: int) -> ColumnElement[bool]:
    """Return the condition that a kept event names the customer, or a visitor who is the customer."""
    columns, theirs = unjoined_events.c, customers.c.customer_id == customer_key
    browsers = select(visitors.c.visitor_id).where(visitors.c.customer_id == customer_key)
    by_name = columns.customer_id.in_(select(customers.c.external_id).where(theirs))
    return or_(by_name, and_(columns.customer_id.is_(None), columns.visitor_id.in_(browsers)))


def _feedback_numbers(connection: Connection, customer_key: int) -> list[int]:
    """Return the numbers in the log of feedback on the customer's recommendations: applied, or still to be."""
    shown = select(recommendations.c.id).where(recommendations.c.customer_id == customer_key)
    lists = select(recommendation_lists.c.id).where(recommendation_lists.c.customer_id == customer_key)
    log, outcome, early = event_log.c, recommendation_outcomes.c, waiting_responses.c
    applied = (
        select(log.sequence)
        .join(recommendation_outcomes, outcome.event_sequence == log.sequence)
        .where(is_kind(FEEDBACK), outcome.recommendation_id.in_(shown))
    )
    in_list = list_of(early.recommendation_id).in_(lists)
    unwritten = select(early.event_sequence).where(or_(early.recommendation_id.in_(shown), in_list))
    numbers = {*connection.execute(applied).scalars(), *connection.execute(unwritten).scalars()}
    position = cursor(connection, FEEDBACK_CONSUMER)
    waiting = connection.execute(
        select(log.sequence, log.payload).where(is_kind(FEEDBACK), log.sequence > position)
    ).all()
    if waiting:
        theirs, their_lists = ({*connection.execute(query).scalars()} for query in (shown, lists))
        named = ((number, recommendation_key(Feedback.FromString(raw).recommendation_id)) for number, raw in waiting)
        numbers |= {
            number for number, key in named if key is not None and (key in theirs or list_number(key) in their_lists)
        }
    return sorted(numbers)


def _adopted_lists(connection: Connection, customer_key: int) -> list[int]:
    """Return the lists that were made for nobody known, and of which the customer took up recommendations."""
    lists = recommendation_lists.c
    query = (
        select(lists.id)
        .join(recommendations, recommendations.c.list_id == lists.id)
        .where(lists.customer_id.is_(None), recommendations.c.customer_id == customer_key)
        .distinct()
    )
    return list(connection.execute(query).scalars())


def _delete_unused(connection: Connection, lists: Sequence[int]) -> int:
    """Delete those of the lists whose recommendations nobody else took up, and return how many they were."""
    key = recommendation_lists.c.id
    used = select(recommendations.c.list_id).where(recommendations.c.list_id == key).exists()
    return sum(
        connection.execute(recommendation_lists.delete().where(key.in_(some), ~used)).rowcount
        for some in batches(lists)
    )


def _rows(connection: Connection, table: Table, condition: ColumnElement[bool]) -> Iterator[tuple[str, dict[str, Any]]]:
    query = select(table).where(condition).order_by(*table.primary_key.columns)
    for row in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query):
        values = row._mapping
        yield table.name, _with_one_id({column.name: _jsonable(column, values) for column in table.columns})


def _with_one_id(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of events with the event's id under one name, however it is stored."""
    if "packed_id" not in row:
        return row
    packed = row.pop("packed_id")
    return {**row, "event_id": row.get("event_id") or packed}


def _with_one_email(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of `customers` that does not say whether another customer has the e-mail too."""
    duplicate = row.pop("duplicate_email")
    return {**row, "email": row["email"] or duplicate}


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def _jsonable(column: Column[Any], row: Mapping[Any, Any]) -> Any:
    value = row[column]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return _DECODED[column](row)
    return kind_of(value) if column is event_log.c.kind else value


def _payload(row: Mapping[Any, Any]) -> dict[str, Any]:
    kind = Feedback if kind_of(row[event_log.c.kind]) == FEEDBACK else Event
    return _json(kind.FromString(row[event_log.c.payload]))


def _json(message: Message) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def _vector(row: Mapping[Any, Any]) -> list[float]:
    return np.frombuffer(row[customer_embeddings.c.embedding], dtype=STORED).tolist()  # type: ignore[no-any-return]


_DECODED: dict[Column[Any], Callable[[Mapping[Any, Any]], Any]] = {
    event_log.c.payload: _payload,
    unjoined_events.c.packed_id: lambda row: unpack_id(row[unjoined_events.c.packed_id]),
    unjoined_events.c.payload: lambda row: _json(Event.FromString(row[unjoined_events.c.payload])),
    event_log.c.packed_id: lambda row: unpack_id(row[event_log.c.packed_id]),
    customer_embeddings.c.embedding: _vector,
}
