"""Followers keep agents up with the log, share requests, and never make a caller wait for an agent that is down."""

import asyncio
import time

from services.coordinator import log_followers
from services.coordinator.log_followers import LogFollower, reach_all
from shared.errors import Unavailable


class FakeAgent:
    """Applies what it is asked to, unless it is down; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.down = False
        self.up_again = asyncio.Event()

    async def apply(self, sequence: int) -> int:
        self.asked.append(sequence)
        if self.down:
            raise Unavailable("no answer")
        self.up_again.set()
        return sequence


async def test_reaching_waits_until_the_agent_has_applied() -> None:
    agent = FakeAgent()
    follower = LogFollower("customer", agent.apply)
    follower.start()
    assert await follower.reach(3, time.monotonic() + 10)
    assert await follower.reach(2, time.monotonic() + 10)
    assert agent.asked == [3]
    await follower.stop()


async def test_an_agent_that_is_down_is_named_at_once_and_caught_up_later(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(log_followers, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(log_followers, "LONGEST_PAUSE_SECONDS", 0.002)
    well, ill = FakeAgent(), FakeAgent()
    ill.down = True
    both = [LogFollower("customer", well.apply), LogFollower("feedback", ill.apply)]
    for each in both:
        each.start()
    started = time.monotonic()
    assert await reach_all(both, 5, timeout_seconds=60) == ["feedback"]
    assert time.monotonic() - started < 30
    ill.down = False
    async with asyncio.timeout(10):
        await ill.up_again.wait()
    assert await reach_all(both, 5, timeout_seconds=60) == []
    for each in both:
        await each.stop()


async def test_a_bug_in_an_agent_counts_as_down() -> None:
    async def broken(sequence: int) -> int:
        raise RuntimeError("bug")

    follower = LogFollower("customer", broken)
    follower.start()
    assert not await follower.reach(1, time.monotonic() + 10)
    await follower.stop()


async def test_a_slow_agent_is_not_waited_for_longer_than_allowed() -> None:
    async def slow(sequence: int) -> int:
        await asyncio.Event().wait()
        return sequence

    follower = LogFollower("customer", slow)
    follower.start()
    assert not await follower.reach(1, time.monotonic() + 0.01)
    await follower.stop()
