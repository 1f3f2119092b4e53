"""What is left of the caller's deadline."""

import time

from shared.rpc.interceptor import deadline

ANSWER_SECONDS = 0.2
"""Of a deadline, at most half of it, that are kept for the way of an answer: also one that says what did not come."""


def seconds_left(reserve_seconds: float = 0.0) -> float | None:
    """Return the seconds in which an answer must be known, so that it arrives in time; None without a deadline.

    Of what is left, `reserve_seconds` are kept too where they are more than what the way takes, but at most half.
    """
    until = deadline.get()
    if until is None:
        return None
    left = until - time.monotonic()
    return max(0.0, left - min(max(reserve_seconds, ANSWER_SECONDS), left / 2))
