"""What an evaluation found, as plain values: one row a metric."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from services.recommendation.holdout.intervals import Interval
from services.recommendation.holdout.paired import PairedGain
from services.recommendation.holdout.tasks import Protocol

DIGITS = 6


@dataclass(frozen=True)
class Cost:
    """Seconds to train, milliseconds to rank for a shopper, and MiB of memory at the peak of both."""

    train_seconds: float
    ms_per_user: float
    peak_mb: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name, rounded."""
        return {
            "train_seconds": round(self.train_seconds, 3),
            "ms_per_user": round(self.ms_per_user, 4),
            "peak_mb": round(self.peak_mb, 1),
        }


@dataclass(frozen=True)
class Findings:
    """Metrics at `k`, of all questions or of a slice of so many."""

    k: int
    metrics: dict[str, Interval]
    slice_name: str = ""
    questions: int = 0


@dataclass
class Report:
    """All findings.

    Attributes
    ----------
    rows : list of dict
        dataset, protocol, algorithm, metric, k, value, low, high, train_seconds, ms_per_user, peak_mb; null where there
        is no value or no interval.
    slices : list of dict
        The same of parts of the questions, with the name of the slice and its number of questions, without the cost.
    differences : list of dict
        dataset, protocol, algorithm, versus, metric, k, value, low, high, p_value: the mean over the questions of the
        first algorithm's metric minus that of `versus`, with the interval of the paired bootstrap.
    settings : dict
        How it was done and on what.
    shown_lists : dict
        What learning from shown lists brings, as `shown_evaluation` says it; {} where it was not asked for.
    """

    dataset: str
    protocol: Protocol
    rows: list[dict[str, Any]] = field(default_factory=list)
    slices: list[dict[str, Any]] = field(default_factory=list)
    differences: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    shown_lists: dict[str, Any] = field(default_factory=dict)

    def add(self, algorithm: str, cost: Cost, findings: list[Findings]) -> None:
        """Add what was found of an algorithm."""
        for found in findings:
            for metric, interval in found.metrics.items():
                row = self._row(algorithm, metric, found.k, interval)
                if found.slice_name:
                    self.slices.append({**row, "slice": str(found.slice_name), "questions": found.questions})
                else:
                    self.rows.append(row | cost.as_dict())

    def compare(self, algorithm: str, versus: str, k: int, gains: Mapping[str, PairedGain]) -> None:
        """Add how much better `algorithm` is than `versus` at `k`, by metric."""
        for metric, gain in gains.items():
            row = {**self._row(algorithm, metric, k, gain), "versus": versus, "p_value": plain(gain.p_value)}
            self.differences.append(row)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-able values."""
        return {
            "rows": self.rows,
            "slices": self.slices,
            "differences": self.differences,
            "shown_lists": self.shown_lists,
            "settings": self.settings,
        }

    def _row(self, algorithm: str, metric: str, k: int, interval: Interval) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "protocol": str(self.protocol),
            "algorithm": algorithm,
            "metric": metric,
            "k": k,
            "value": plain(interval.value),
            "low": plain(interval.low),
            "high": plain(interval.high),
        }


def plain(value: float) -> float | None:
    """Return a value as reports have it: rounded, None where it is not finite."""
    return round(value, DIGITS) if math.isfinite(value) else None
