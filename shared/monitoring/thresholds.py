"""Bounds of a sample; what is beyond them is an alert."""

from collections.abc import Iterator
from dataclasses import dataclass

from shared.monitoring.sample import Sample

FEWEST_CALLS = 20
"""Of fewer calls shares and response times say nothing."""


@dataclass(frozen=True)
class Thresholds:
    """The most that is well: milliseconds, MiB, busy cores, and shares from 0 to 1."""

    p99_ms: float = 500.0
    memory_mb: float = 6_000.0
    cpu_cores: float = 0.95
    failed_share: float = 0.01
    fallback_share: float = 0.05
    empty_share: float = 0.05


@dataclass(frozen=True)
class Breach:
    """A figure that is beyond its bound."""

    figure: str
    value: float
    most: float


def breaches(sample: Sample, most: Thresholds) -> list[Breach]:
    """Return the figures of a sample that are beyond their bounds."""
    return [Breach(name, round(value, 4), limit) for name, value, limit in _figures(sample, most) if value > limit]


def _figures(sample: Sample, most: Thresholds) -> Iterator[tuple[str, float, float]]:
    yield "memory_mb", sample.memory_mb, most.memory_mb
    yield "cpu_cores", sample.cpu_cores, most.cpu_cores
    if sample.calls >= FEWEST_CALLS:
        yield "p99_ms", sample.p99_ms, most.p99_ms
        yield "failed_share", sample.failed / sample.calls, most.failed_share
    if sample.answers >= FEWEST_CALLS:
        yield "fallback_share", sample.fallbacks / sample.answers, most.fallback_share
        yield "empty_share", sample.empty / sample.answers, most.empty_share
