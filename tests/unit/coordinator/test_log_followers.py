"""Followers keep agents up with the log, share requests, and say who is down or behind."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from services.coordinator import log_followers
from services.coordinator.log_followers import Apply, LogFollower
from shared.errors import Unavailable

PATIENCE_SECONDS = 60.0


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PAUSE_SECONDS", "LONGEST_PAUSE_SECONDS", "GATHER_SECONDS"):
        monkeypatch.setattr(log_followers, name, 0.001)


class FakeAgent:
    """Applies what it is asked to, unless it is down; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.down = False

    async def apply(self, sequence: int) -> int:
        self.asked.append(sequence)
        if self.down:
            raise Unavailable("no answer")
        return sequence


@asynccontextmanager
async def following(apply: Apply, patience_seconds: float = PATIENCE_SECONDS) -> AsyncIterator[LogFollower]:
    follower = LogFollower("customer", apply, patience_seconds)
    follower.start()
    yield follower
    await follower.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_many_events_share_one_request() -> None:
    agent = FakeAgent()
    async with following(agent.apply) as follower:
        for sequence in (1, 2, 3, 2):
            follower.want(sequence)
        await until(lambda: follower.applied == 3)
        assert agent.asked == [3]
        assert not follower.behind
        follower.want(3)
        follower.want(4)
        await until(lambda: follower.applied == 4)
    assert agent.asked == [3, 4]


async def test_an_agent_that_is_down_is_behind_from_the_start_and_caught_up_later() -> None:
    agent = FakeAgent()
    agent.down = True
    async with following(agent.apply) as follower:
        await until(lambda: follower.behind)
        follower.want(5)
        assert follower.behind
        agent.down = False
        await until(lambda: follower.applied == 5)
        assert not follower.behind


async def test_a_bug_in_an_agent_counts_as_down() -> None:
    async def broken(sequence: int) -> int:
        raise RuntimeError("bug")

    async with following(broken) as follower:
        await until(lambda: follower.behind)


async def test_an_agent_that_leaves_an_event_waiting_is_behind_after_the_patience() -> None:
    asked = asyncio.Event()

    async def silent(sequence: int) -> int:
        asked.set()
        await asyncio.Event().wait()
        return sequence

    async with following(silent) as patient, following(silent, patience_seconds=0.0) as impatient:
        await asked.wait()
        assert not impatient.behind, "nothing waits yet"
        for follower in (patient, impatient):
            follower.want(1)
        await until(lambda: impatient.behind)
        assert not patient.behind


async def test_an_agent_that_keeps_up_under_load_is_not_behind() -> None:
    newest = 0

    async def slower_than_events(sequence: int) -> int:
        nonlocal newest
        newest = sequence + 1  # one more event comes during each request
        follower.want(newest)
        return sequence

    async with following(slower_than_events) as follower:
        await until(lambda: follower.applied >= 20)
        assert not follower.behind


async def test_a_look_says_the_truth_of_an_agent_that_nobody_asked_for_a_while() -> None:
    agent = FakeAgent()
    async with following(agent.apply, patience_seconds=0.0) as follower:
        follower.want(1)
        await until(lambda: follower.applied == 1)
        agent.down = True
        assert not follower.behind
        await follower.look()
        assert follower.behind
        agent.down = False
        await until(lambda: not follower.behind)


async def test_a_look_asks_nothing_of_an_agent_that_was_asked_a_moment_ago() -> None:
    agent = FakeAgent()
    async with following(agent.apply) as follower:
        follower.want(1)
        await until(lambda: follower.applied == 1)
        await follower.look()
    assert agent.asked == [1]


async def test_a_look_at_an_agent_that_hangs_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_followers, "LOOK_SECONDS", 0.01)

    async def hang(_: int) -> int:
        return await asyncio.Event().wait()

    async with following(hang, patience_seconds=0.0) as follower:
        await asyncio.wait_for(follower.look(), 5)
