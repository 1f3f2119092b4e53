"""Wait for conditions in tests."""

import threading
import time
from collections.abc import Callable

PATIENCE_SECONDS = 60.0
"""Far more than it takes: how long that is says a benchmark; here machines may be slow."""


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition, and fail when it does not come true in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come true in time"
        threading.Event().wait(0.01)
