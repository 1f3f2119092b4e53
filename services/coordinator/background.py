"""A task that runs beside the calls, from start to stop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Background:
    """Runs `work()` from `start` until `stop`, which cancels it. Both are safe to repeat."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, unless it runs already."""
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Cancel the work and wait until it has ended."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
