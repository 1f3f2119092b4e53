"""Whose fault is it that an event could not be applied, and what may be said of it without personal data?"""

import sqlite3
from traceback import walk_tb
from types import TracebackType

import psycopg
from sqlalchemy.exc import DBAPIError

from shared.errors import QuintetError

MOST_REASON = 200
_OURS = ("services.", "shared.")
_DRIVER_ERRORS = (sqlite3.Error, psycopg.Error)
_OF_THE_STATEMENT = tuple(
    getattr(driver, name)
    for driver in (sqlite3, psycopg)
    for name in ("DataError", "IntegrityError", "NotSupportedError", "ProgrammingError")
)
"""Database errors that the same statement meets again: a value out of range, a broken constraint, wrong SQL."""
_SUM_TOO_LARGE = "integer overflow"
"""What SQLite says, as an operational error, of a sum beyond 64 bits."""


def is_of_event(error: Exception) -> bool:
    """Say whether applying the event would fail again: not for want of memory, nor for the state of the database."""
    if isinstance(error, MemoryError | QuintetError):
        return False
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return False
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, _DRIVER_ERRORS):
        return isinstance(cause, _OF_THE_STATEMENT) or _SUM_TOO_LARGE in str(cause)
    return not isinstance(error, DBAPIError)


def reason_of(error: Exception) -> str:
    """Return the class of an error and the innermost place in Quintet's code, such as `KeyError at shared.money:20`.

    What the error says is left out: it may quote values of the event.
    """
    return f"{type(error).__name__} at {_place(error.__traceback__)}"[:MOST_REASON]


def _place(trace: TracebackType | None) -> str:
    places = [
        f"{name}:{line}"
        for frame, line in walk_tb(trace)
        if (name := str(frame.f_globals.get("__name__", ""))).startswith(_OURS)
    ]
    return places[-1] if places else "unknown"
