"""The log of recommendations is written behind the answer: nobody waits for it, and what is lost is counted."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic

import pytest
from sqlalchemy import select

from shared.db.engine import Database
from shared.db.recommendation_items import ListItem, PackedItems, unpack
from shared.db.recommendations import NewList
from shared.db.schema import recommendation_lists
from shared.errors import FailedPrecondition
from shared.recommendation_log import RecommendationLog
from shared.recommendation_tokens import number_at, numbers_in
from shared.telemetry import RECOMMENDATIONS_DROPPED
from tests.support.shop import add_products

LONG = 30.0


@pytest.fixture
def opened(database: Database) -> Iterator[RecommendationLog]:
    add_products(database, "tea")
    log = RecommendationLog(database, "test")
    log.start()
    yield log
    log.stop()


def new(log: RecommendationLog, count: int = 3, customer: int | None = None) -> NewList:
    items = PackedItems.of([ListItem(position, 1, 0.5, "ease") for position in range(1, count + 1)])
    return NewList(log.take_number(), "r", customer, "HOME", datetime.now(UTC), items)


def stored(database: Database) -> set[int]:
    with database.read() as connection:
        columns = recommendation_lists.c
        rows = connection.execute(select(columns.id, columns.packed_items)).all()
    return {number_at(row.id, item.position) for row in rows for item in unpack(row.packed_items)}


def dropped(reason: str) -> float:
    return RECOMMENDATIONS_DROPPED.labels("test", reason)._value.get()


def numbers(lists: list[NewList]) -> set[int]:
    return {number for each in lists for number in numbers_in(each.number, each.items.count)}


def test_all_that_is_appended_at_once_is_written(database: Database, opened: RecommendationLog) -> None:
    lists = [new(opened) for _ in range(40)]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(opened.append, lists))
    assert opened.wait_until_written(LONG)
    assert stored(database) == numbers(lists)
    assert len(numbers(lists)) == 120


def test_two_logs_give_different_numbers(database: Database, opened: RecommendationLog) -> None:
    other = RecommendationLog(database, "test")
    other.start()
    taken = [log.take_number() for log in (opened, other, opened, other)]
    assert len(set(taken)) == 4
    other.stop()


def test_an_erased_shopper_loses_only_their_own_rows(database: Database, opened: RecommendationLog) -> None:
    before = dropped("shopper_gone")
    good, gone = [new(opened) for _ in range(5)], [new(opened, 2, customer=99) for _ in range(5)]
    for one, other in zip(good, gone, strict=True):
        assert opened.append(one)
        assert opened.append(other)
    assert opened.wait_until_written(LONG)
    assert stored(database) == numbers(good)
    assert dropped("shopper_gone") - before == 10


def test_nobody_waits_for_a_held_lock_and_nothing_is_lost(sqlite_database: Database) -> None:
    add_products(sqlite_database, "tea")
    log = RecommendationLog(sqlite_database, "test")
    log.start()
    with sqlite_database.write():
        lists = [new(log) for _ in range(50)]
        start = monotonic()
        assert all(log.append(each) for each in lists)
        assert monotonic() - start < 1.0
        assert not log.wait_until_written(0.3)
    log.stop()
    assert stored(sqlite_database) == numbers(lists)


def test_a_full_queue_drops_the_rows_of_an_answer_and_counts_them(sqlite_database: Database) -> None:
    add_products(sqlite_database, "tea")
    log = RecommendationLog(sqlite_database, "test", most_waiting_rows=4)
    before = dropped("queue_full")
    log.start()
    with sqlite_database.write():
        taken = [log.append(new(log)) for _ in range(20)]
    log.stop()
    assert taken[0]
    assert not taken[-1]
    assert dropped("queue_full") - before == 3 * taken.count(False)
    assert len(stored(sqlite_database)) == 3 * taken.count(True)


def test_after_the_stop_rows_are_dropped_and_counted(opened: RecommendationLog) -> None:
    opened.stop()
    opened.stop()
    before = dropped("queue_full")
    assert not opened.append(new(opened))
    assert dropped("queue_full") - before == 3


def test_without_a_start_there_are_no_numbers(database: Database) -> None:
    with pytest.raises(FailedPrecondition, match="started"):
        RecommendationLog(database, "test").take_number()
