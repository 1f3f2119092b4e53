"""A request is done once within 24 hours, on either database, whatever happens in between."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from quintet.type.v1.error_pb2 import ErrorReason

from shared.db import request_ids
from shared.db.engine import Database
from shared.db.schema import request_ids as rows
from shared.errors import InvalidArgument
from shared.request_ids import RequestKey
from tests.support.slow_rows import slow_rows

KEY = RequestKey("r-1", b"d" * 32)


class Work:
    """Counts how often it is done."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self) -> str:
        self.done += 1
        return f"job {self.done}"


def once(database: Database, work: Work, key: RequestKey | None = KEY) -> tuple[str, bool]:
    with database.write() as connection:
        return request_ids.once(connection, key, work)


def grow_old(database: Database) -> None:
    with database.write() as connection:
        connection.execute(rows.update().values(created_at=datetime.now(UTC) - timedelta(hours=24)))


def test_a_repeated_request_is_answered_with_what_came_of_the_first(database: Database) -> None:
    work = Work()
    assert once(database, work) == ("job 1", False)
    assert once(database, work) == ("job 1", True)
    assert once(database, work, RequestKey("r-2", KEY.digest)) == ("job 2", False)


def test_without_an_id_it_is_done_each_time(database: Database) -> None:
    work = Work()
    assert [once(database, work, None) for _ in range(2)] == [("job 1", False), ("job 2", False)]


def test_another_request_with_the_same_id_is_refused(database: Database) -> None:
    once(database, Work())
    with pytest.raises(InvalidArgument) as caught:
        once(database, Work(), RequestKey(KEY.request_id, b"e" * 32))
    assert caught.value.reason == ErrorReason.REQUEST_ID_REUSED


def test_a_request_that_failed_may_be_repeated(database: Database) -> None:
    def fail() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), database.write() as connection:
        request_ids.once(connection, KEY, fail)
    assert once(database, Work()) == ("job 1", False)


def test_an_id_may_be_used_again_after_a_day_and_is_not_kept(database: Database) -> None:
    work = Work()
    once(database, work)
    grow_old(database)
    assert once(database, work, RequestKey(KEY.request_id, b"e" * 32)) == ("job 2", False)
    assert request_ids.drop_old(database) == 0
    grow_old(database)
    assert request_ids.drop_old(database) == 1


def test_many_are_deleted_in_slices_as_short_as_all_others(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock says that a row takes a millisecond: slices become as small as that asks for."""
    with database.write() as connection:
        for number in range(300):
            request_ids.once(connection, RequestKey(f"r-{number}", KEY.digest), lambda: "done")
    grow_old(database)
    sizes = slow_rows(monkeypatch)
    assert request_ids.drop_old(database) == sum(sizes) == 300
    assert set(sizes[1:-1]) == {25}, "half of 50 milliseconds"


def test_of_requests_at_the_same_time_one_is_done(database: Database) -> None:
    work = Work()
    answers: list[tuple[str, bool]] = []
    together = threading.Barrier(6)

    def call() -> None:
        together.wait(10)
        answers.append(once(database, work))

    threads = [threading.Thread(target=call) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [("job 1", False)] + [("job 1", True)] * 5
