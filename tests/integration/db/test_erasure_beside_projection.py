"""A customer is erased while agents apply events about the customer, on PostgreSQL, where both may write at once."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text

from shared.db import erasure, event_log, partitions
from shared.db.engine import Connection, Contended, Database, retried
from shared.db.event_log import CUSTOMER_CONSUMER, FEEDBACK_CONSUMER, METRICS_CONSUMER
from shared.db.recommendations import log_recommendations
from shared.db.schema import customers, recommendation_outcomes, recommendations, session_facts, sessions
from tests.support.events import NOON, add_customers, add_products, happened, view
from tests.support.recommendations import list_of_one
from tests.support.tokens import next_number
from tests.support.waiting import wait_until

pytestmark = pytest.mark.postgres


@pytest.fixture
def anna(postgres_database: Database) -> int:
    """A customer with a session and a list; her events are applied in two partitions."""
    keys = add_customers(postgres_database, "anna")
    products = add_products(postgres_database, {"p1": (100, "USD")})
    happened(postgres_database, view("anna", "p1"))
    with postgres_database.write() as connection:
        log_recommendations(connection, [list_of_one(next_number(), keys["anna"], products["p1"], NOON)])
        connection.execute(recommendations.update().values(was_shown=True))
        event_log.lock_cursor(connection, CUSTOMER_CONSUMER)
        partitions.divide(connection, CUSTOMER_CONSUMER, 2, event_log.last_sequence(connection))
    return keys["anna"]


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    """Another thread."""
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.mark.parametrize("consumer", [CUSTOMER_CONSUMER, FEEDBACK_CONSUMER, METRICS_CONSUMER, "a partition"])
def test_an_erasure_waits_for_who_applies_events(
    postgres_database: Database, anna: int, beside: ThreadPoolExecutor, consumer: str
) -> None:
    with postgres_database.write() as connection:
        hold(connection, consumer)
        for table in (sessions, session_facts, recommendations):
            connection.execute(table.update().values(customer_id=table.c.customer_id))
        erasing = beside.submit(erase, postgres_database, anna)
        wait_until(lambda: is_waiting(postgres_database) or erasing.done())
        # What a new row about the customer needs.
        connection.execute(select(customers).where(customers.c.customer_id == anna).with_for_update(key_share=True))
    assert erasing.result()["customers"] == 1
    with postgres_database.read() as connection:
        assert connection.execute(select(recommendation_outcomes)).all() == []


def test_nobody_applies_events_while_a_customer_is_erased(
    postgres_database: Database, beside: ThreadPoolExecutor
) -> None:
    with postgres_database.write() as connection:
        partitions.stop_applying(connection, FEEDBACK_CONSUMER)
        applying = beside.submit(locked, postgres_database, FEEDBACK_CONSUMER)
        wait_until(lambda: is_waiting(postgres_database) or applying.done())
        assert not applying.done()
    assert applying.result() == 0


def test_work_that_the_database_ended_for_a_deadlock_is_done_again(
    postgres_database: Database, beside: ThreadPoolExecutor
) -> None:
    both = threading.Barrier(2)
    attempts = []

    def work() -> None:
        attempts.append(1)
        take_two_locks(postgres_database, (1, 2), "10ms", both if len(attempts) == 1 else None)

    other = beside.submit(take_two_locks, postgres_database, (2, 1), "1min", both)
    retried(work)
    other.result()
    assert len(attempts) == 2


def test_work_that_is_always_in_the_way_ends() -> None:
    attempts = []

    def work() -> None:
        attempts.append(1)
        raise Contended("in the way")

    with pytest.raises(Contended):
        retried(work)
    assert len(attempts) == 3


def take_two_locks(database: Database, keys: tuple[int, int], timeout: str, both: threading.Barrier | None) -> None:
    """Take two locks one after the other; who has the shorter timeout is ended in a deadlock."""
    with database.write() as connection:
        connection.execute(text(f"SET LOCAL deadlock_timeout = '{timeout}'"))
        for number, key in enumerate(keys):
            connection.execute(select(func.pg_advisory_xact_lock(key)))
            if number == 0 and both is not None:
                both.wait()


def hold(connection: Connection, consumer: str) -> None:
    """Take the lock of who applies events as a consumer, or those of one of its partitions."""
    if consumer == "a partition":
        parts = partitions.event_partitions
        connection.execute(select(parts).where(parts.c.partition == 1).with_for_update())
    else:
        event_log.lock_cursor(connection, consumer)


def locked(database: Database, consumer: str) -> int:
    with database.write() as connection:
        return event_log.lock_cursor(connection, consumer)


def erase(database: Database, key: int) -> dict[str, int]:
    with database.write() as connection:
        return dict(erasure.erase(connection, key).rows)


def is_waiting(database: Database) -> bool:
    """Say whether a transaction waits for another one."""
    with database.read() as connection:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(connection.scalar(waiting))
