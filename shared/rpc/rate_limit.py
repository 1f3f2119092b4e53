"""How often each key calls each method: token buckets in the memory of this process."""

import time
from collections import OrderedDict
from collections.abc import Callable

from shared.errors import RateLimited

BURST_SECONDS = 2.0
"""A caller that was quiet may make the calls of so many seconds at once."""
MOST_BUCKETS = 10_000


class RateLimiter:
    """Token buckets, made as they are needed and forgotten when others are used instead."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def take(self, key_id: str, method: str, calls_per_second: float) -> None:
        """Count a call. Raises RateLimited, which says when to call again, when there are too many."""
        now = self._now()
        most = max(1.0, calls_per_second * BURST_SECONDS)
        tokens, since = self._buckets.pop((key_id, method), (most, now))
        tokens = min(most, tokens + (now - since) * calls_per_second)
        allowed = tokens >= 1
        self._buckets[key_id, method] = (tokens - 1 if allowed else tokens, now)
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        if not allowed:
            raise RateLimited.after((1 - tokens) / calls_per_second, calls_per_second, method)
