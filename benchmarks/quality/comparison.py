"""Ours, its parts, the baselines and what is published, side by side for one evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from benchmarks.quality import sets
from benchmarks.quality.published import UNTUNED, Aim, Value, aim_of
from benchmarks.quality.results import ABLATION, DIFFERENCES, ROWS, SLICES, Results, Row, key_of
from benchmarks.quality.sets.dataset import Dataset, Evaluation
from services.recommendation.evaluation.page_ranker import RANKED
from services.recommendation.evaluation.ranker_registry import BASELINES, TUNED_BASELINES
from services.recommendation.evaluation.served_ranker import OFFLINE_PAGE, SERVED, WITHOUT_RULE

OWN = "quintet"
STEPS = (OFFLINE_PAGE, RANKED, *WITHOUT_RULE)
"""Lists on the way to the page that is served; they have a table of their own."""


class Role(StrEnum):
    """What takes part in a comparison."""

    OWN = "the product"
    SERVED = "the page that it serves"
    PART = "one algorithm of it"
    BASELINE = "baseline"
    UNTUNED = "our quick model"
    PUBLISHED = "published"


class Estimate(NamedTuple):
    """A value and the interval around it, which is the value itself where none was measured."""

    value: float
    low: float
    high: float

    @property
    def exact(self) -> bool:
        """Whether there is no interval."""
        return self.low == self.high


@dataclass(frozen=True)
class Entry:
    """Somebody's figures: estimates by metric; the cost where it was measured here; who says so elsewhere."""

    name: str
    role: Role
    metrics: dict[str, Estimate]
    cost: Row | None = None
    source: str = ""


@dataclass(frozen=True)
class Check:
    """One metric of ours against what is asked for.

    Parameters
    ----------
    metric : str
        Name.
    own : Estimate
        Ours, counted over all questions of the rules.
    baseline : Entry or None
        The best of the baselines of this run.
    gain : Estimate or None
        Ours minus the best baseline's, by the difference of each question; None where that was not measured.
    known, quick : Value or None
        The best published value, and the best of our own quick models.
    reach, beyond : float or None
        What is asked for; None where the aim is to be ahead of every baseline beyond chance.
    """

    metric: str
    own: Estimate
    baseline: Entry | None
    gain: Estimate | None
    known: Value | None
    quick: Value | None
    reach: float | None
    beyond: float | None

    @property
    def reached(self) -> bool:
        """Whether ours is what was asked for."""
        if self.reach is not None:
            return round(self.own.value, 4) >= self.reach
        return self.baseline is None or self.ahead

    @property
    def ahead(self) -> bool:
        """Whether ours is better than the best baseline beyond chance.

        Decided by the paired differences; where they were not measured, by intervals that lie apart.
        """
        if self.baseline is None:
            return False
        if self.gain is not None:
            return self.gain.low > 0.0
        return self.own.low > self.baseline.metrics[self.metric].high

    @property
    def verdict(self) -> str:
        """What is said of it.

        Beyond means that the whole interval is at or above the figure, and that every baseline is beaten.
        """
        if self.beyond is not None and round(self.own.low, 4) >= self.beyond and (self.ahead or not self.baseline):
            return "beyond"
        return "reached" if self.reached else "not reached"

    @property
    def scale(self) -> float | None:
        """What 1 means in a picture of several evaluations: the value to reach, else the best baseline's."""
        if self.reach is not None:
            return self.reach
        return self.baseline.metrics[self.metric].value if self.baseline else None


class Comparison:
    """One evaluation, with everybody in it.

    Parameters
    ----------
    results : Results
        What was measured.
    dataset : Dataset
        The data set.
    evaluation : Evaluation
        How it was asked.
    """

    def __init__(self, results: Results, dataset: Dataset, evaluation: Evaluation) -> None:
        self.dataset = dataset
        self.evaluation = evaluation
        self.aim: Aim = aim_of(dataset, evaluation)
        self.settings: dict[str, Any] = results.settings[key_of(dataset.name, evaluation.protocol)]
        self._rows, self.slices, self._differences, self.ablation = (
            results.of(name, dataset.name, evaluation.protocol) for name in (ROWS, SLICES, DIFFERENCES, ABLATION)
        )

    @property
    def name(self) -> str:
        """Name of the evaluation, also as part of a file's."""
        return f"{self.dataset.name}-{self.evaluation.protocol}"

    @property
    def missed(self) -> int:
        """Questions of the rules that cannot be asked; all are asked when there is a limit."""
        return 0 if self.settings["limit_questions"] else self.evaluation.missed(self.settings["questions"])

    def measured(self) -> list[Entry]:
        """Return those that were measured, the best by the first metric first."""
        names = dict.fromkeys(row["algorithm"] for row in self._rows if row["algorithm"] not in STEPS)
        return _sorted([_entry(name, self._rows) for name in names], self.evaluation.metrics[0])

    def everybody(self) -> list[Entry]:
        """Return those that were measured and those that are known, the best by the first metric first."""
        known = [_known(value) for value in self.aim.known]
        return _sorted([*self.measured(), *known], self.evaluation.metrics[0])

    def own(self) -> Entry | None:
        """Return the product's own figures, None where it did not take part."""
        return next((entry for entry in self.measured() if entry.role is Role.OWN), None)

    def step(self, name: str) -> Entry | None:
        """Return the figures of the page that is served or of one of its steps, None where it was not measured."""
        return _entry(name, self._rows) if any(row["algorithm"] == name for row in self._rows) else None

    def relative(self, name: str, versus: str, metric: str) -> Estimate | None:
        """Return the metric of one list minus that of another, as a share of the other's; None if not measured."""
        base = self.step(versus)
        found = self._difference(name, versus, metric)
        if base is None or found is None or not base.metrics[metric].value:
            return None
        return Estimate(*(each / base.metrics[metric].value for each in found))

    def whole(self) -> Entry | None:
        """Return the product that its lesser selves are compared with, None where there are none."""
        return _entry(OWN, self.ablation) if any(row["algorithm"] == OWN for row in self.ablation) else None

    def lesser(self) -> list[Entry]:
        """Return the product without each part, the one that lost most first."""
        names = dict.fromkeys(row["algorithm"] for row in self.ablation if row["algorithm"] != OWN)
        return _sorted([_entry(name, self.ablation) for name in names], self.evaluation.metrics[0])[::-1]

    def best(self, role: Role, metric: str) -> Entry | None:
        """Return the best of a role by a metric."""
        of_role = [entry for entry in self.measured() if entry.role is role and metric in entry.metrics]
        return max(of_role, key=lambda entry: entry.metrics[metric].value, default=None)

    def ahead(self, metric: str) -> list[Entry]:
        """Return the product's parts that are better than it is by a metric."""
        own = self.own()
        parts = [entry for entry in self.measured() if entry.role is Role.PART]
        return [entry for entry in parts if own and entry.metrics[metric].value > own.metrics[metric].value]

    def close(self, metric: str) -> list[Entry]:
        """Return the product's parts that it is not better than beyond chance by a metric, the best first.

        Decided by the paired differences; where they were not measured, by intervals that touch.
        """
        own = self.own()
        parts = [entry for entry in self.measured() if entry.role is Role.PART]
        return _sorted([entry for entry in parts if own and self._touches(own, entry, metric)], metric)

    def gain(self, name: str, metric: str) -> Estimate | None:
        """Return the product's metric minus that of another, by question; None where that was not measured."""
        return self._difference(OWN, name, metric)

    def _difference(self, name: str, versus: str, metric: str) -> Estimate | None:
        wanted = (name, versus, metric)
        rows = [row for row in self._differences if (row["algorithm"], row["versus"], row["metric"]) == wanted]
        return next((estimate_of(row) for row in rows if row["value"] is not None), None)

    def _touches(self, own: Entry, other: Entry, metric: str) -> bool:
        gain = self.gain(other.name, metric)
        return other.metrics[metric].high >= own.metrics[metric].low if gain is None else gain.low <= 0.0

    def checks(self) -> Iterator[Check]:
        """Yield the metrics that something is asked of, or all where nothing is published."""
        own = self.own()
        for metric in self.evaluation.metrics if own else ():
            if self.aim.reach and metric not in self.aim.reach:
                continue
            baseline = self.best(Role.BASELINE, metric)
            yield Check(
                metric,
                self.strict(own.metrics[metric]) if own else Estimate(0.0, 0.0, 0.0),
                baseline,
                self.gain(baseline.name, metric) if baseline else None,
                self.aim.best_known(metric),
                self.aim.best_quick(metric),
                self.aim.reach.get(metric),
                self.aim.beyond.get(metric),
            )

    def strict(self, estimate: Estimate) -> Estimate:
        """Return an estimate with the questions that could not be asked counted as misses."""
        share = self.settings["questions"] / (self.settings["questions"] + self.missed)
        return Estimate(*(share * value for value in estimate))


def comparisons(results: Results) -> list[Comparison]:
    """Return all evaluations that were measured, in the order of the report."""
    return [
        Comparison(results, dataset, evaluation)
        for dataset in sets.ALL
        for evaluation in dataset.evaluations
        if key_of(dataset.name, evaluation.protocol) in results.settings
    ]


def role_of(name: str) -> Role:
    """Return the role of somebody who was measured."""
    if name in (OWN, SERVED):
        return Role.OWN if name == OWN else Role.SERVED
    return Role.BASELINE if name in (*BASELINES, *TUNED_BASELINES) else Role.PART


def _entry(name: str, rows: list[Row]) -> Entry:
    own = [row for row in rows if row["algorithm"] == name and row["value"] is not None]
    cost = {field: own[0][field] for field in ("train_seconds", "ms_per_user", "peak_mb")}
    return Entry(name, role_of(name), {row["metric"]: estimate_of(row) for row in own}, cost)


def estimate_of(row: Row) -> Estimate:
    """Return the estimate that a row has."""
    value = float(row["value"])
    return Estimate(value, *(value if row[end] is None else float(row[end]) for end in ("low", "high")))


def _known(value: Value) -> Entry:
    role = Role.UNTUNED if value.kind == UNTUNED else Role.PUBLISHED
    metrics = {metric: Estimate(number, number, number) for metric, number in value.metrics.items()}
    return Entry(value.model, role, metrics, source=value.source)


def _sorted(entries: list[Entry], metric: str) -> list[Entry]:
    return sorted(entries, key=lambda entry: -entry.metrics[metric].value if metric in entry.metrics else 0.0)
