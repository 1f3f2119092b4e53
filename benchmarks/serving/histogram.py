"""Times of calls, counted in buckets whose bounds grow by a constant ratio."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MICROSECONDS_A_MILLISECOND = 1000.0


@dataclass
class Histogram:
    """Counts of calls by bucket: bucket `b` holds the calls that took at most `growth ** b` microseconds."""

    growth: float
    counts: Counter[int] = field(default_factory=Counter)

    @classmethod
    def merged(cls, growth: float, parts: Iterable[Mapping[str, int]]) -> "Histogram":
        """Return the sum of the parts, each a mapping of a bucket, written as text, to a count."""
        whole = cls(growth)
        for part in parts:
            whole.counts.update({int(bucket): count for bucket, count in part.items()})
        return whole

    @property
    def total(self) -> int:
        """Number of calls."""
        return sum(self.counts.values())

    def percentile(self, percent: float) -> float:
        """Return the time in milliseconds within which `percent` of the calls were done; NaN without calls.

        It is the upper bound of a bucket, and so at most `growth` times too large.
        """
        wanted = self.total * percent / 100
        seen = 0
        for bucket, count in sorted(self.counts.items()):
            seen += count
            if seen >= wanted:
                return float(self.growth**bucket) / MICROSECONDS_A_MILLISECOND
        return float("nan")
