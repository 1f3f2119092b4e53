"""Work beside the answers: bounded in time, and resting as long as it works, so that answers wait for a moment only."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
WORK_SECONDS, REST_SECONDS = 0.005, 0.005


class BoundedWork:
    """Time for some work, which begins now; `incomplete` says whether it ended before the work did.

    Parameters
    ----------
    seconds : float
        How much there is.
    """

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self.incomplete = False

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items until time ends. After `WORK_SECONDS` of work it rests, for as long as it worked."""
        began = time.monotonic()
        for each in items:
            now = time.monotonic()
            if now >= self._until:
                self.incomplete = True
                return
            if now - began >= WORK_SECONDS:
                time.sleep(max(REST_SECONDS, now - began))
                began = time.monotonic()
            yield each
