"""Keep the agents that follow the event log up with it.

Each follower is nudged when events were appended. One that does not answer is tried again with growing pauses, and
meanwhile nobody waits for it: the event is in the log, and the agent catches up from there.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from services.coordinator.background import Background
from shared.errors import QuintetError
from shared.telemetry import EVENTS_BEHIND

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
log = structlog.get_logger()

Apply = Callable[[int], Awaitable[int]]
"""Asks an agent to apply the log up to a number; returns the number it has applied."""


class LogFollower:
    """One agent that follows the log. Many callers share one request: it asks for the highest number wanted."""

    def __init__(self, agent: str, apply: Apply) -> None:
        self.agent = agent
        self.applied = 0
        self._apply = apply
        self._wanted = 0
        self._down = False
        self._moved = asyncio.Condition()
        self._wake = asyncio.Event()
        self._background = Background(self._run)

    def start(self) -> None:
        """Begin to follow."""
        self._background.start()

    async def stop(self) -> None:
        """Stop following. Safe to repeat."""
        await self._background.stop()

    def want(self, sequence: int) -> None:
        """Have the log applied up to `sequence`, without waiting."""
        self._wanted = max(self._wanted, sequence)
        EVENTS_BEHIND.labels(self.agent).set(max(0, self._wanted - self.applied))
        self._wake.set()

    async def reach(self, sequence: int, until: float) -> bool:
        """Return whether the agent has applied `sequence` by the moment `until` of the monotonic clock.

        Does not wait for an agent that is known to be down.
        """
        self.want(sequence)
        async with self._moved:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, until - time.monotonic())):
                    await self._moved.wait_for(lambda: self.applied >= sequence or self._down)
        return self.applied >= sequence

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            if self.applied >= self._wanted:
                self._wake.clear()
                await self._wake.wait()
            if await self._nudge():
                pause = FIRST_PAUSE_SECONDS
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _nudge(self) -> bool:
        try:
            self.applied = max(self.applied, await self._apply(self._wanted))
            self._down = False
        except QuintetError as error:
            if not self._down:
                log.warning("agent does not follow", follower=self.agent, error=error.message)
            self._down = True
        except Exception:  # a fault of ours must not end the following for good; the answers name the agent as pending
            log.exception("agent does not follow", follower=self.agent)
            self._down = True
        EVENTS_BEHIND.labels(self.agent).set(max(0, self._wanted - self.applied))
        async with self._moved:
            self._moved.notify_all()
        return not self._down


async def reach_all(followers: Sequence[LogFollower], sequence: int, timeout_seconds: float) -> list[str]:
    """Wait until all have applied `sequence`, for at most the time given; return the agents that have not."""
    until = time.monotonic() + timeout_seconds
    reached = await asyncio.gather(*(follower.reach(sequence, until) for follower in followers))
    return [follower.agent for follower, done in zip(followers, reached, strict=True) if not done]
