"""Response times between two readings of a Prometheus histogram."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any

from prometheus_client import Histogram

FAILURES = frozenset({"INTERNAL", "UNKNOWN", "DATA_LOSS", "UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
"""Statuses that are the server's fault, and calls that it refused for want of room."""


@dataclass(frozen=True)
class CallCounts:
    """Calls since the start of the process: by upper bound of their seconds (cumulative), in all, and failed ones."""

    buckets: Mapping[float, float] = field(default_factory=dict)
    calls: float = 0.0
    failed: float = 0.0

    def since(self, before: "CallCounts") -> "CallCounts":
        """Return the calls that came after `before` was read."""
        buckets = {bound: count - before.buckets.get(bound, 0.0) for bound, count in self.buckets.items()}
        return CallCounts(buckets, self.calls - before.calls, self.failed - before.failed)

    def quantile(self, share: float) -> float:
        """Return the seconds within which a `share` of the calls (0 to 1) were answered; 0 without calls.

        Between two bounds the calls count as spread evenly; beyond the largest bound its value is returned.
        """
        wanted, low, below = share * self.calls, 0.0, 0.0
        for bound, count in sorted(self.buckets.items()):
            if count >= wanted and count > below:
                return low if bound == inf else low + (bound - low) * (wanted - below) / (count - below)
            low, below = bound, count
        return 0.0


def call_counts(histogram: Histogram, counts: Callable[[str], bool]) -> CallCounts:
    """Return the calls that a histogram with the labels `method` and `code` has seen of methods that count."""
    samples = [sample for metric in histogram.collect() for sample in metric.samples if counts(sample.labels["method"])]
    buckets: dict[float, float] = {}
    for sample in _named(samples, "_bucket"):
        bound = float(sample.labels["le"])
        buckets[bound] = buckets.get(bound, 0.0) + sample.value
    ended = list(_named(samples, "_count"))
    failed = sum(sample.value for sample in ended if sample.labels["code"] in FAILURES)
    return CallCounts(buckets, sum(sample.value for sample in ended), failed)


def _named(samples: Iterable[Any], ending: str) -> Iterable[Any]:
    return (sample for sample in samples if sample.name.endswith(ending))
