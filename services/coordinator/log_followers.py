"""Keep the agents that follow the event log up with it.

Each follower is nudged when events were appended. One that does not answer is tried again with growing pauses. Nobody
waits for it: the event is in the log, and the agent catches up from there.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

from services.coordinator.background import Background
from shared.errors import QuintetError
from shared.telemetry import EVENTS_BEHIND

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 0.5
GATHER_SECONDS, LONGEST_GATHER_SECONDS = 0.03, 0.25
"""Time between two nudges, in which events gather that share one transaction of the agent."""
LOOK_SECONDS = 0.5
"""Longest wait for an agent that a repeated event asks about."""
REST = 2.0
"""Times of what the last nudge took that events gather, within these bounds: on SQLite applying events keeps those who
record waiting, and many at once cost less each."""
log = structlog.get_logger()

Apply = Callable[[int], Awaitable[int]]
"""Asks an agent to apply the log up to a number; returns the number it has applied."""


class LogFollower:
    """One agent that follows the log. Many events share one request: it asks for the highest number wanted.

    Parameters
    ----------
    agent : str
        Its name.
    apply : callable
        Asks it to apply the log.
    patience_seconds : float
        How long an event may wait until the agent counts as behind.
    """

    def __init__(self, agent: str, apply: Apply, patience_seconds: float) -> None:
        self.agent = agent
        self.applied = 0
        self._apply = apply
        self._patience_seconds = patience_seconds
        self._wanted = 0
        self._waiting_since: float | None = None
        self._down = False
        self._asked_at = 0.0
        self._look: asyncio.Task[bool] | None = None
        self._gauge = EVENTS_BEHIND.labels(agent)
        self._wake = asyncio.Event()
        self._background = Background(self._run)

    def start(self) -> None:
        """Begin to follow."""
        self._background.start()

    async def stop(self) -> None:
        """Stop following. Safe to repeat."""
        await self._background.stop()
        if self._look is not None:
            self._look.cancel()
            await asyncio.gather(self._look, return_exceptions=True)

    @property
    def behind(self) -> bool:
        """Whether the agent does not answer, or has left an event waiting for longer than the patience."""
        waiting = self._waiting_since
        return self._down or (waiting is not None and time.monotonic() - waiting > self._patience_seconds)

    def want(self, sequence: int) -> None:
        """Have the log applied up to `sequence`, without waiting."""
        if sequence <= self._wanted:
            return
        self._wanted = sequence
        if self._waiting_since is None:
            self._waiting_since = time.monotonic()
        self._gauge.set(max(0, sequence - self.applied))
        self._wake.set()

    async def look(self) -> None:
        """Ask an agent that has nothing to apply, unless it was asked a moment ago, so that `behind` is the truth.

        New events ask by themselves. A repeated one wants nothing applied, yet its answer says who is behind. It waits
        for half a second at most.
        """
        idle = not self._down and self.applied >= self._wanted
        if not idle or time.monotonic() - self._asked_at < self._patience_seconds:
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._asking()), LOOK_SECONDS)
        if self._down:
            self._wake.set()  # it is asked again until it is back

    def _asking(self) -> asyncio.Task[bool]:
        """Return the nudge that is under way, or begin one."""
        if self._look is None or self._look.done():
            self._look = asyncio.create_task(self._nudge())
        return self._look

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = time.monotonic()
            if await self._nudge():
                pause = FIRST_PAUSE_SECONDS
                await asyncio.sleep(_gathering(time.monotonic() - began))
                await self._until_wanted()
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _until_wanted(self) -> None:
        while self.applied >= self._wanted and not self._down:
            self._wake.clear()
            await self._wake.wait()

    async def _nudge(self) -> bool:
        asked_at = self._asked_at = time.monotonic()
        try:
            self.applied = max(self.applied, await self._apply(self._wanted))
            self._waiting_since = None if self.applied >= self._wanted else asked_at
            self._down = False
        except QuintetError as error:
            if not self._down:
                log.warning("agent does not follow", follower=self.agent, error=error.message)
            self._down = True
        except Exception:  # a fault of ours must not end the following for good; the answers name the agent as pending
            log.exception("agent does not follow", follower=self.agent)
            self._down = True
        self._gauge.set(max(0, self._wanted - self.applied))
        return not self._down


def _gathering(took: float) -> float:
    """Return how long events gather after a nudge that took so many seconds."""
    return min(max(GATHER_SECONDS, REST * took), LONGEST_GATHER_SECONDS)
