"""PostgreSQL: an engine that waits for nothing without bound, and never commits without having written to disk."""

import time
from collections.abc import Callable
from typing import Any, cast

import psycopg
from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import InvalidatePoolError

from shared.db.limits import Limits

POOL_SIZE = 16
RECYCLE_SECONDS = 1_800
"""Age at which a connection is replaced, so that a changed role, certificate or address is taken up."""
FRESH_SECONDS = 1.0
"""A connection that was used so lately is taken without a question to the server; see docs/decisions/0033."""
PING_SECONDS = 3.0
ANSWER_MARGIN_SECONDS = 5.0
"""The server ends a statement by itself; one that has not said so after this much more is taken for lost."""
DURABLE = ("on", "remote_apply")
"""Values of `synchronous_commit` with which a commit that was acknowledged outlives a crash of the server."""


class BoundedConnection(psycopg.Connection[Any]):
    """A connection of which no wait is longer than `patience_seconds`.

    TCP finds out that a machine is gone, not that a process which holds the socket no longer answers.
    """

    patience_seconds: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait as psycopg does; after `patience_seconds` close the connection and raise OperationalError."""
        try:
            return super().wait(gen, interval, self.patience_seconds if timeout is None else timeout)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server did not answer in time") from error


def postgres_engine(url: URL, limits: Limits) -> Engine:
    """Return an engine for `url`. What the URL's own parameters say goes before `limits`."""
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=limits.pool_seconds,
        pool_recycle=RECYCLE_SECONDS,
        connect_args=_connect_arguments(url, limits),
    )
    event.listen(engine, "do_connect", _connector(limits))
    event.listen(engine, "checkout", _ping_unless_fresh)
    event.listen(engine, "checkin", _remember_use)
    return engine


def _connect_arguments(url: URL, limits: Limits) -> dict[str, Any]:
    server = {
        "lock_timeout": _milliseconds(limits.lock_seconds),
        "statement_timeout": _milliseconds(limits.statement_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(limits.idle_seconds),
        "synchronous_commit": "on",
    }
    client = {
        "connect_timeout": limits.connect_seconds,
        "keepalives": 1,
        "keepalives_idle": limits.connect_seconds,
        "keepalives_interval": limits.connect_seconds,
        "keepalives_count": 2,
        "tcp_user_timeout": _milliseconds(3 * limits.connect_seconds),
    }
    own = {name: value for name, value in client.items() if name not in url.query}
    # The server takes the last of two values: what the URL says is said after ours.
    options = [*(f"-c {name}={value}" for name, value in server.items()), str(url.query.get("options", ""))]
    return own | {"options": " ".join(options).strip()}


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _connector(limits: Limits) -> Callable[..., BoundedConnection]:
    patience = limits.statement_seconds + min(limits.statement_seconds, ANSWER_MARGIN_SECONDS)

    def connect(_dialect: Any, _record: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> BoundedConnection:
        connection = BoundedConnection.connect(*arguments, **named)
        connection.patience_seconds = patience
        return connection

    return connect


def _remember_use(_connection: Any, record: Any) -> None:
    record.info["used_at"] = time.monotonic()


def _ping_unless_fresh(connection: Any, record: Any, _proxy: Any) -> None:
    """Ask a connection that lay idle whether it still works; if it does not, all are replaced."""
    used_at = record.info.get("used_at")
    if used_at is None or time.monotonic() - used_at <= FRESH_SECONDS:
        return
    try:
        _ping(cast(BoundedConnection, connection))
    except psycopg.Error as error:
        raise InvalidatePoolError("the connection was lost while it lay idle") from error


def _ping(connection: BoundedConnection) -> None:
    patience, connection.patience_seconds = connection.patience_seconds, PING_SECONDS
    try:
        connection.autocommit = True
        connection.execute("")
        connection.autocommit = False
    finally:
        connection.patience_seconds = patience
