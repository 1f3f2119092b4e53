"""Long work on the event loop, in slices: other calls get their turn in between."""

import asyncio
import time

SLICE_SECONDS = 0.01


class Slices:
    """Gives the event loop back every hundredth of a second; await `pause` after each small piece of the work."""

    def __init__(self, seconds: float = SLICE_SECONDS) -> None:
        self._seconds = seconds
        self._until = time.perf_counter() + seconds

    async def pause(self) -> None:
        """Let others have their turn where the slice is over."""
        if time.perf_counter() >= self._until:
            await asyncio.sleep(0)
            self._until = time.perf_counter() + self._seconds
