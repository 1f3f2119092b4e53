"""Readings of this process: calls, fallbacks, memory and processor time; the difference of two is a sample."""

import os
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client import Counter

from shared.monitoring.latency import CallCounts, call_counts
from shared.monitoring.sample import Sample
from shared.rpc.rights import Work, right_of
from shared.telemetry import ANSWERS, EMPTY_ANSWERS, FALLBACKS, RPC_SECONDS

MIB = 1024 * 1024
STATM = Path("/proc/self/statm")


@dataclass(frozen=True)
class Reading:
    """What this process has done since its start, and the memory that it takes now (MiB)."""

    calls: CallCounts = field(default_factory=CallCounts)
    answers: float = 0.0
    empty: float = 0.0
    fallbacks: float = 0.0
    cpu_seconds: float = 0.0
    memory_mb: float = 0.0
    at: float = 0.0


def read_process() -> Reading:
    """Return the reading of this process now."""
    return Reading(
        calls=call_counts(RPC_SECONDS, _is_waited_for),
        answers=_total(ANSWERS),
        empty=_total(EMPTY_ANSWERS),
        fallbacks=_total(FALLBACKS),
        cpu_seconds=time.process_time(),
        memory_mb=_memory_mb(),
        at=time.monotonic(),
    )


def sample_between(before: Reading, after: Reading) -> Sample:
    """Return what happened between two readings."""
    seconds = max(after.at - before.at, 1e-9)
    calls = after.calls.since(before.calls)
    return Sample(
        seconds=round(seconds, 1),
        calls=int(calls.calls),
        failed=int(calls.failed),
        p50_ms=round(calls.quantile(0.5) * 1000, 2),
        p99_ms=round(calls.quantile(0.99) * 1000, 2),
        cpu_cores=round((after.cpu_seconds - before.cpu_seconds) / seconds, 3),
        memory_mb=round(after.memory_mb, 1),
        answers=int(after.answers - before.answers),
        empty=int(after.empty - before.empty),
        fallbacks=int(after.fallbacks - before.fallbacks),
    )


def _is_waited_for(method: str) -> bool:
    return right_of(method).work in (Work.SERVE, Work.WRITE)


def _total(counter: Counter) -> float:
    samples = (sample for metric in counter.collect() for sample in metric.samples)
    return sum(sample.value for sample in samples if sample.name.endswith("_total"))


def _memory_mb() -> float:
    """Return the resident memory; where the system does not say it, the most there was."""
    try:
        return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / MIB
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
