"""The load as another process, and what it saw."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from benchmarks.faults.ledger import CALLING, Tally
from benchmarks.machine import ROOT

END_SECONDS = 180.0


@dataclass
class LoadSeen:
    """What a load saw: kinds of acknowledged events by their ids, orders to be credited
    with the clicks before them, calls, unexpected errors."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    tallies: list[Tally] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, seen: dict[str, Any]) -> Self:
        """Return what `Ledger.as_json` said."""
        return cls(**(seen | {"tallies": [Tally(**each) for each in seen["tallies"]]}))

    def total(self, name: str) -> int:
        """Return the sum of a count over all calls."""
        return sum(int(getattr(each, name)) for each in self.tallies)


class Load:
    """A running load. Its `seen` is there after `stop`."""

    def __init__(self, address: str, prefix: str) -> None:
        self.seen = LoadSeen()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.faults.load", address, prefix],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_calling(self) -> None:
        """Wait until calls are answered. Raises RuntimeError when it ends before."""
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it is piped
        if self._process.stdout.readline().strip() != CALLING:
            raise RuntimeError("the load does not call")

    def say(self, word: str) -> None:
        """Begin a phase, or have events recorded (`record`) or not (`ask`)."""
        assert self._process.stdin is not None  # noqa: S101 - for the type checker: it is piped
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def stop(self) -> None:
        """End it once all that is being recorded is acknowledged."""
        printed, _ = self._process.communicate(timeout=END_SECONDS)
        if self._process.returncode:
            raise RuntimeError(f"the load ended with exit code {self._process.returncode}")
        self.seen = LoadSeen.of(json.loads(printed))

    def kill(self) -> None:
        """End it at once. Safe to repeat."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def load_on(address: str, prefix: str) -> Iterator[Load]:
    """Give a load that is stopped at the end, and killed on an error."""
    load = Load(address, prefix)
    try:
        load.wait_calling()
        yield load
        load.stop()
    finally:
        load.kill()
