"""Keep an agent up with the event log in the background, also when nobody nudges it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from shared.telemetry import BACKGROUND_ERRORS

PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 3.0
"""Events that were recorded while the database was away are applied within five seconds of its return."""
log = structlog.get_logger()


class CatchUp:
    """Calls `step` again and again in a thread: at once while it returns True (there is more), else after a pause.

    An error is logged, counted and tried again after pauses that double up to 3 seconds.
    """

    def __init__(self, agent: str, step: Callable[[], bool], pause_seconds: float = PAUSE_SECONDS) -> None:
        self._agent = agent
        self._step = step
        self._pause = pause_seconds
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to catch up."""
        self._stop.clear()
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Let the step in progress end, then stop. Safe to repeat."""
        self._stop.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def _run(self) -> None:
        pause = self._pause
        while not self._stop.is_set():
            try:
                more = await asyncio.to_thread(self._step)
                pause = 0.0 if more else self._pause
            except Exception:  # the database may be back at the next step: catching up must not end
                log.exception("catching up with the event log failed")
                BACKGROUND_ERRORS.labels(self._agent, "catch_up").inc()
                pause = min(max(pause, self._pause) * 2, LONGEST_PAUSE_SECONDS)
            await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), seconds)
