"""Requests that were done, by the ids that callers gave them. A row is written in the transaction of the work itself.

So either both are there or neither: a call that failed may be repeated, one whose answer was lost is not done again.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from quintet.type.v1.error_pb2 import ErrorReason
from sqlalchemy import ColumnElement, Connection, select

from shared.db.engine import Database, insert_into
from shared.db.schema import request_ids
from shared.db.slices import delete_rows
from shared.errors import InvalidArgument
from shared.request_ids import FIELD, RequestKey

KEPT = timedelta(hours=24)


def once(connection: Connection, key: RequestKey | None, work: Callable[[], str]) -> tuple[str, bool]:
    """Do work in the transaction of `connection`, unless the request was done within 24 hours.

    Parameters
    ----------
    connection : Connection
        In a write transaction.
    key : RequestKey, optional
        Names the request; without it the work is done.
    work : callable
        Returns what is needed to answer again, such as the id of what was made: at most 200 characters, nothing
        personal.

    Returns
    -------
    tuple of str and bool
        What the work returned, now or then, and whether it was done before.

    Raises
    ------
    InvalidArgument
        If the id was used for another request.
    """
    if key is None:
        return work(), False
    if not _claim(connection, key):
        return _result(connection, key), True
    result = work()
    connection.execute(request_ids.update().where(_named(key)).values(result=result))
    return result, False


def drop_old(database: Database) -> int:
    """Delete what is older than 24 hours, in short transactions, and return how many there were."""
    oldest = datetime.now(UTC) - KEPT
    return delete_rows(database, request_ids, request_ids.c.request_id, request_ids.c.created_at <= oldest)


def _claim(connection: Connection, key: RequestKey) -> bool:
    """Return whether the id was free, and take it. On PostgreSQL who comes second waits for the first."""
    now = datetime.now(UTC)
    connection.execute(request_ids.delete().where(_named(key), request_ids.c.created_at <= now - KEPT))
    row = {"request_id": key.request_id, "digest": key.digest, "result": "", "created_at": now}
    insert = insert_into(connection, request_ids).values(row).on_conflict_do_nothing()
    return connection.execute(insert.returning(request_ids.c.request_id)).scalar() is not None


def _result(connection: Connection, key: RequestKey) -> str:
    digest, result = connection.execute(select(request_ids.c.digest, request_ids.c.result).where(_named(key))).one()
    if digest != key.digest:
        problem = "was used for another request within 24 hours"
        raise InvalidArgument.of(FIELD, key.request_id, problem, ErrorReason.REQUEST_ID_REUSED)
    return str(result)


def _named(key: RequestKey) -> ColumnElement[bool]:
    return request_ids.c.request_id == key.request_id
