"""The feedback agent's cursor passes imported history, and nothing that could be a response."""

from datetime import UTC, datetime

from sqlalchemy import insert

from shared.db import event_log
from shared.db.engine import Database
from shared.db.event_log import FEEDBACK_CONSUMER, NewEvent
from shared.db.identified_events import FEEDBACK
from shared.db.imported_history import pass_history
from shared.db.schema import recommendation_lists

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
A_LIST = {
    "id": 128,
    "request_id": "r",
    "customer_id": None,
    "page_type": "HOME",
    "strategy": "hybrid",
    "model_version": "",
    "generated_at": NOON,
    "by_algorithm": {},
    "packed_items": b"",
}


def append(database: Database, *kinds: str) -> int:
    events = [NewEvent(f"{kind}-{n}", None, kind, NOON, b"") for n, kind in enumerate(kinds)]
    with database.write() as connection:
        return max(event_log.append(connection, events).values())


def passed(database: Database, up_to: int) -> bool:
    with database.write() as connection:
        return pass_history(connection, up_to)


def cursor(database: Database) -> int:
    with database.read() as connection:
        return event_log.cursor(connection, FEEDBACK_CONSUMER)


def test_history_is_passed_once(database: Database) -> None:
    last = append(database, "home_view", "purchase")
    assert passed(database, last)
    assert cursor(database) == last
    assert not passed(database, last)


def test_feedback_is_left_to_the_agent(database: Database) -> None:
    last = append(database, "home_view", FEEDBACK, "purchase")
    assert not passed(database, last)
    assert cursor(database) == 0


def test_nothing_is_passed_once_something_was_recommended(database: Database) -> None:
    last = append(database, "purchase")
    with database.write() as connection:
        connection.execute(insert(recommendation_lists).values(**A_LIST))
    assert not passed(database, last)
    assert cursor(database) == 0
