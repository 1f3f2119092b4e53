"""Group commit writes many callers' submissions at once and tells each what became of its own."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from services.coordinator import group_commit as group_commit_module
from services.coordinator.event_validation import Submission
from services.coordinator.group_commit import MOST_AT_ONCE, Commit, CommitResult, GroupCommit
from shared.errors import Overloaded, Unavailable
from shared.rpc.deadline import ANSWER_SECONDS
from shared.rpc.interceptor import deadline


def submission(name: str) -> Submission:
    return Submission(name, "home_view", datetime.now(UTC), b"")


@asynccontextmanager
async def running(commit: Commit) -> AsyncIterator[GroupCommit]:
    group_commit = GroupCommit(commit)
    group_commit.start()
    try:
        yield group_commit
    finally:
        await group_commit.stop()


async def test_each_caller_gets_its_own_outcomes() -> None:
    def commit(batch: Sequence[Submission]) -> list[CommitResult]:
        return [CommitResult(each.event_id, sequence=len(each.event_id)) for each in batch]

    async with running(commit) as group_commit:
        answers = await asyncio.gather(
            group_commit.record([submission("a"), submission("bb")]), group_commit.record([submission("ccc")])
        )
    assert [[outcome.sequence for outcome in answer] for answer in answers] == [[1, 2], [3]]


async def test_callers_that_come_during_a_commit_share_the_next() -> None:
    first_is_running, go_on = threading.Event(), threading.Event()
    sizes: list[int] = []

    def commit(batch: Sequence[Submission]) -> list[CommitResult]:
        sizes.append(len(batch))
        first_is_running.set()
        assert go_on.wait(10)
        return [CommitResult(each.event_id) for each in batch]

    async with running(commit) as group_commit:
        first = asyncio.create_task(group_commit.record([submission("a")]))
        await asyncio.to_thread(first_is_running.wait, 10)
        others = [asyncio.create_task(group_commit.record([submission(str(n))])) for n in range(20)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(first, *others)
    assert sizes == [1, 20]


async def test_a_group_is_bounded_but_no_caller_is_split() -> None:
    sizes: list[int] = []

    def commit(batch: Sequence[Submission]) -> list[CommitResult]:
        sizes.append(len(batch))
        return [CommitResult(each.event_id) for each in batch]

    group_commit = GroupCommit(commit)
    many = [submission(str(n)) for n in range(MOST_AT_ONCE - 1)]
    calls = [asyncio.create_task(group_commit.record(many)), asyncio.create_task(group_commit.record(many[:3]))]
    await asyncio.sleep(0)
    group_commit.start()
    await asyncio.gather(*calls)
    await group_commit.stop()
    assert sizes == [MOST_AT_ONCE - 1, 3]


async def test_a_failed_commit_is_told_to_all_of_its_callers_and_the_next_is_made() -> None:
    failures = iter([Unavailable("locked")])

    def commit(batch: Sequence[Submission]) -> list[CommitResult]:
        for error in failures:
            raise error
        return [CommitResult(each.event_id) for each in batch]

    async with running(commit) as group_commit:
        with pytest.raises(Unavailable, match="locked"):
            await group_commit.record([submission("a")])
        assert await group_commit.record([submission("a")]) == [CommitResult("a")]
        assert await group_commit.record([]) == []


async def test_stopping_refuses_what_still_waits() -> None:
    group_commit = GroupCommit(lambda batch: [])
    waiting = asyncio.create_task(group_commit.record([submission("a")]))
    await asyncio.sleep(0)
    await group_commit.stop()
    with pytest.raises(Unavailable, match="stopping"):
        await waiting


async def test_stopping_passes_over_callers_that_went_away() -> None:
    group_commit = GroupCommit(lambda batch: [])
    gone, waiting = (asyncio.create_task(group_commit.record([submission(name)])) for name in ("a", "b"))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    await group_commit.stop()
    with pytest.raises(Unavailable, match="stopping"):
        await waiting


async def test_what_is_more_than_may_wait_is_refused_and_the_room_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit_module, "MAX_WAITING_BYTES", 10)
    group_commit = GroupCommit(lambda batch: [CommitResult(each.event_id) for each in batch])
    large = Submission("large", "home_view", datetime.now(UTC), b"x" * 8)
    first = asyncio.create_task(group_commit.record([large]))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await group_commit.record([large])
    group_commit.start()
    await first
    assert (await group_commit.record([large]))[0].event_id == "large"
    await group_commit.stop()


async def test_a_caller_is_told_before_its_deadline_and_what_waits_is_dropped() -> None:
    writing, go_on = threading.Event(), threading.Event()
    written: list[str] = []

    def commit(batch: Sequence[Submission]) -> list[CommitResult]:
        writing.set()
        assert go_on.wait(10)
        written.extend(each.event_id for each in batch)
        return [CommitResult(each.event_id) for each in batch]

    async with running(commit) as group_commit:
        patient = asyncio.create_task(group_commit.record([submission("patient")]))
        await asyncio.to_thread(writing.wait, 10)
        began = time.monotonic()
        token = deadline.set(began + 2 * ANSWER_SECONDS)
        with pytest.raises(Unavailable, match="repeat it with the same id"):
            await group_commit.record([submission("dropped")])
        assert time.monotonic() < began + 2 * ANSWER_SECONDS
        deadline.reset(token)
        go_on.set()
        assert [each.event_id for each in await patient] == ["patient"]
        assert [each.event_id for each in await group_commit.record([submission("next")])] == ["next"]
    assert written == ["patient", "next"]
