"""What callers saw: how each call ended and when, and what was acknowledged to them."""

import threading
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc

CLIENT_TOLERANCE_SECONDS = 0.25
"""How much later than its deadline a caller may see an answer: threads of the load and all agents share two cores."""
NO_ANSWER = grpc.StatusCode.DEADLINE_EXCEEDED.name
FEEDBACK = "feedback"
BEFORE, DURING, AFTER, NOBODY_ANSWERS = "before", "during", "after", "nobody answers"
"""Phases of a load. In the last one the coordinator itself is stopped, the one process that callers know."""

ORDER = "o-"
"""Begins the id of an order; the id of its event follows."""
CALLING = "calling"
"""What a load says when the first event is acknowledged."""


@dataclass
class Tally:
    """The calls of one method in one phase.

    Attributes
    ----------
    full : int
        Answers without an error or a fallback.
    late : int
        Calls that ended later than their deadline and the tolerance, however they ended.
    unanswered : int
        Calls that had no answer by their deadline.
    longest : float
        Seconds of the call that took longest.
    """

    phase: str
    method: str
    calls: int = 0
    full: int = 0
    fallbacks: int = 0
    late: int = 0
    unanswered: int = 0
    longest: float = 0.0
    errors: dict[str, int] = field(default_factory=dict)

    def note(self, code: str, seconds: float, deadline: float, fallback: bool) -> None:
        """Count a call; `code` is OK or the name of its status."""
        self.calls += 1
        self.full += code == "OK" and not fallback
        self.fallbacks += fallback
        self.late += seconds > deadline + CLIENT_TOLERANCE_SECONDS
        self.unanswered += code == NO_ANSWER
        self.longest = max(self.longest, seconds)
        if code != "OK":
            self.errors[code] = self.errors.get(code, 0) + 1


class Ledger:
    """Kept by all threads of a load. `phase` names what is happening now."""

    def __init__(self) -> None:
        self.phase = BEFORE
        self._acknowledged: dict[str, str] = {}
        self._orders: dict[str, str] = {}
        self._tallies: dict[tuple[str, str], Tally] = {}
        self._failures: list[str] = []
        self._guard = threading.Lock()

    def called(self, method: str, code: str, seconds: float, deadline: float, *, fallback: bool = False) -> None:
        """Note how a call ended."""
        with self._guard:
            key = (self.phase, method)
            self._tallies.setdefault(key, Tally(*key)).note(code, seconds, deadline, fallback)

    def acknowledged(self, event_id: str, kind: str) -> None:
        """Note that an event, or feedback, was acknowledged."""
        with self._guard:
            self._acknowledged[event_id] = kind

    def ordered(self, purchase_id: str, click_id: str) -> None:
        """Note an order, and the click of the same shopper on a recommendation of the product that came before."""
        with self._guard:
            self._orders[purchase_id] = click_id

    def failed(self, error: str) -> None:
        """Note an error that callers are not told to expect."""
        with self._guard:
            self._failures.append(error)

    @property
    def begun(self) -> bool:
        """Whether anything was acknowledged."""
        return bool(self._acknowledged)

    def as_json(self) -> dict[str, Any]:
        """Return all of it; the counterpart of `LoadSeen.of`."""
        with self._guard:
            return {
                "acknowledged": self._acknowledged,
                "orders": self._orders,
                "tallies": [asdict(tally) for tally in self._tallies.values()],
                "failures": self._failures,
            }
