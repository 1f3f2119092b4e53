"""Time by stage of what the main thread does, sampled by the clock.

A timer looks at the stack about a thousand times a second. While a compiled function runs the interpreter cannot be
interrupted, so that several ticks fall into one; each sample therefore counts for the time since the one before.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import FrameType

from benchmarks.serving.stages import OTHER, stage_of_module

TICK_SECONDS = 0.0007
"""Not a divisor of common periods, so that nothing regular hides between the ticks."""


class Sampler:
    """Collects seconds by stage while `running`. For the main thread of a process on Unix."""

    def __init__(self, stage_of: Callable[[str], str | None] = stage_of_module) -> None:
        self.seconds: Counter[str] = Counter()
        self._stage_of = lru_cache(maxsize=None)(stage_of)
        self._last = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sample while the block runs."""
        before = signal.signal(signal.SIGALRM, self._tick)
        self._last = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, TICK_SECONDS, TICK_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def _tick(self, _number: int, frame: FrameType | None) -> None:
        now = time.perf_counter()
        self.seconds[self.stage(frame)] += now - self._last  # type: ignore[assignment]
        self._last = now

    def stage(self, frame: FrameType | None) -> str:
        """Return the stage of a stack: that of the innermost frame whose module has one."""
        while frame is not None:
            stage = self._stage_of(frame.f_globals.get("__name__", ""))
            if stage is not None:
                return stage
            frame = frame.f_back
        return OTHER
