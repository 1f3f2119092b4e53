"""A sample of how an agent performs."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """A period of `seconds`: calls for which a shopper or a shop waits, and what they took.

    `p50_ms` and `p99_ms` are their response times, `cpu_cores` the cores that were busy. `answers` are lists of
    recommendations, of which some were `empty` or `fallbacks`.
    """

    seconds: float
    calls: int
    failed: int
    p50_ms: float
    p99_ms: float
    cpu_cores: float
    memory_mb: float
    answers: int = 0
    empty: int = 0
    fallbacks: int = 0
