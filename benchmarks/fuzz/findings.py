"""What came of the requests."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

INTERNAL = ("INTERNAL", "UNKNOWN")
MOST_SAMPLES = 50
SHOWN_BYTES = 200


@dataclass
class Findings:
    """Counts by method and status, and samples of what must not happen."""

    codes: dict[str, Counter[str]] = field(default_factory=dict)
    hangs: int = 0
    samples: list[dict[str, str]] = field(default_factory=list)

    def add(self, method: str, code: str, request: bytes, details: str) -> None:
        """Note how a call ended."""
        self.codes.setdefault(method, Counter())[code] += 1
        if code in INTERNAL:
            self._sample(method, code, request, details)

    def hung(self, method: str, request: bytes) -> None:
        """Note a call that did not end within its deadline and some grace."""
        self.hangs += 1
        self._sample(method, "HANG", request, "")

    @property
    def inputs(self) -> int:
        """Requests sent."""
        return self.hangs + sum(sum(codes.values()) for codes in self.codes.values())

    @property
    def internal_errors(self) -> int:
        """Calls that ended INTERNAL or UNKNOWN."""
        return sum(codes[code] for codes in self.codes.values() for code in INTERNAL)

    def by_code(self) -> dict[str, int]:
        """Return how many calls ended with each status."""
        total: Counter[str] = Counter()
        for codes in self.codes.values():
            total += codes
        return dict(sorted(total.items()))

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each method."""
        return [{"method": method, **dict(sorted(codes.items()))} for method, codes in sorted(self.codes.items())]

    def _sample(self, method: str, code: str, request: bytes, details: str) -> None:
        if len(self.samples) < MOST_SAMPLES:
            shown = request[:SHOWN_BYTES].hex()
            self.samples.append({"method": method, "code": code, "details": details, "request": shown})
