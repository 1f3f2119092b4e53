"""One evaluation: every ranker is fitted on the same train, asked the same questions and measured alike."""

import gc
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms.arrays import Longs, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.evaluation import beyond_accuracy
from services.recommendation.evaluation.coverage_report import CoverageReport
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit
from services.recommendation.evaluation.report import Cost, Findings, Report
from services.recommendation.evaluation.resources import peak_mb, reset_peak
from services.recommendation.evaluation.slices import Slice, never_seen, slices_of
from services.recommendation.holdout.intervals import RESAMPLES, Interval, clusters_of, intervals
from services.recommendation.holdout.metrics import RecallOver, Values, measure
from services.recommendation.holdout.paired import PairedGain, paired_gains
from services.recommendation.holdout.protocols import eval_cases, excludes_seen, most_frequent_kind, strongest_kind
from services.recommendation.holdout.tasks import (
    EvalCase,
    ProgressCallback,
    Protocol,
    Ranker,
    Reporting,
    Staged,
    Task,
    Tunes,
)
from shared.errors import FailedPrecondition, InvalidArgument

DEFAULT_K = 20
ASKED_AT_ONCE = 512

Accuracy: TypeAlias = dict[int, dict[str, Values]]
"""The metrics of each question, by k and then by metric."""


@dataclass(frozen=True)
class EvaluationPlan:
    """What is asked and how it is measured.

    Parameters
    ----------
    dataset : str
        What reports call the data.
    protocol : Protocol
        `TOP_N` that leaves out seen products is `TOP_N_DISCOVERY`, and the other way round.
    ks : tuple of int
        Lengths of lists to measure, each at least 1.
    target : Kind, optional
        The kind of event that counts as an answer; by default the strongest there is in test, in sessions all kinds.
    exclude_seen : bool, optional
        Whether what the shopper had is left out; by default as the protocol has it.
    recall_over : {"min", "all"}
        What recall divides by; see `metrics.measure`.
    shortest_session : int
        Events of a session before its first question.
    resamples : int
        Of the bootstrap; 0 for no intervals.
    seed : int
        Of everything by chance.
    most_questions : int, optional
        Ask at most so many, drawn at random.
    threads : int
        Threads of the linear algebra libraries.

    Raises
    ------
    InvalidArgument
        If a value is out of range, or a session is to leave out seen products.
    """

    dataset: str
    protocol: Protocol = Protocol.TOP_N
    ks: tuple[int, ...] = (DEFAULT_K,)
    target: Kind | None = None
    exclude_seen: bool | None = None
    recall_over: RecallOver = "min"
    shortest_session: int = 1
    resamples: int = RESAMPLES
    seed: int = 0
    most_questions: int | None = None
    threads: int = 1

    def __post_init__(self) -> None:
        for name, value, least in (
            ("k", min(self.ks, default=0), 1),
            ("shortest_session", self.shortest_session, 1),
            ("bootstrap", self.resamples, 0),
            ("seed", self.seed, 0),
        ):
            if value < least:
                raise InvalidArgument.of(name, value, f"must be at least {least}")
        if self.most_questions is not None and self.most_questions < 1:
            raise InvalidArgument.of("limit_questions", self.most_questions, "must be at least 1")
        if self.protocol is Protocol.SESSION and self.exclude_seen:
            raise InvalidArgument.of("exclude_seen", True, "means nothing for sessions: repeats count in them")

    @property
    def every_kind(self) -> bool:
        """Whether events of all kinds are answers."""
        return self.protocol is Protocol.SESSION and self.target is None

    def settled(self, split_data: TrainTestSplit) -> tuple[Protocol, Kind, bool]:
        """Return the protocol's name in reports, the target and whether seen products are left out.

        The target of sessions in which all kinds count is the most frequent one.
        """
        kind_of = most_frequent_kind if self.every_kind else strongest_kind
        target = kind_of(split_data.test) if self.target is None else self.target
        exclude = self.exclude_seen
        if exclude is None:
            exclude = excludes_seen(self.protocol, split_data.train, target, timed=split_data.timed)
        if self.protocol in (Protocol.TOP_N, Protocol.TOP_N_DISCOVERY):
            return (Protocol.TOP_N_DISCOVERY if exclude else Protocol.TOP_N), target, exclude
        return self.protocol, target, exclude


def evaluate(
    split_data: TrainTestSplit, plan: EvaluationPlan, rankers: Iterable[Ranker], progress: ProgressCallback
) -> Report:
    """Fit, ask and measure rankers one after the other.

    Parameters
    ----------
    split_data : TrainTestSplit
        What is known, and what came after.
    plan : EvaluationPlan
        What is asked and how it is measured.
    rankers : iterable of Ranker
        Unfitted. The report has the paired differences between the first one and each of the others.
    progress : callable
        Called with what is done now and the fraction done.

    Raises
    ------
    FailedPrecondition
        If the data has nobody to ask.
    """
    protocol, target, exclude = plan.settled(split_data)
    task = Task(split_data.train, protocol, target, split_data.timed, exclude, plan.every_kind)
    progress("asking", 0.0)
    coverage = CoverageReport.of(task, split_data.test, plan.shortest_session)
    cases = eval_cases(
        protocol,
        split_data.train,
        split_data.test,
        target=target,
        exclude_seen=exclude,
        cutoff=split_data.cutoff,
        shortest_session=plan.shortest_session,
        every_kind=plan.every_kind,
        most=plan.most_questions,
        seed=plan.seed,
    )
    if not cases:
        raise FailedPrecondition(f"there is nobody to ask by {protocol} for {_answer(task)}: {coverage.sentence()}")
    report = Report(plan.dataset, protocol, settings=_settings(split_data, plan, task, cases, coverage))
    _measure_each(EvaluationSet(task, cases, plan), list(rankers), report, progress)
    return report


class EvaluationSet:
    """The questions and how answers are measured."""

    def __init__(self, task: Task, cases: Sequence[EvalCase], plan: EvaluationPlan) -> None:
        self.task = task
        self.shoppers = [case.shopper for case in cases]
        self.excluded = [case.excluded for case in cases]
        self.ks = sorted({*plan.ks})
        self.threads = plan.threads
        self._targets = [case.targets for case in cases]
        self._clusters: Longs = clusters_of(list(cases))
        self._slices = slices_of(list(cases), task)
        self._plan = plan

    def accuracy(self, lists: Rows) -> Accuracy:
        """Return the accuracy of each list, by k and then by metric."""
        over = self._plan.recall_over
        return {k: measure(lists[:, :k], self._targets, k, recall_over=over) for k in self.ks}

    def findings(self, lists: Rows, accuracy: Accuracy) -> list[Findings]:
        """Return what is measured of the lists, by k and slice."""
        return [each for k in self.ks for each in self._at(lists[:, :k], k, accuracy[k])]

    def gains(self, own: Accuracy, other: Accuracy) -> dict[int, dict[str, PairedGain]]:
        """Return how much better one ranker is than another, by k and then by metric."""
        return {
            k: paired_gains(own[k], other[k], self._clusters, resamples=self._plan.resamples, seed=self._plan.seed)
            for k in self.ks
        }

    def _at(self, lists: Rows, k: int, accuracy: dict[str, Values]) -> list[Findings]:
        seed = self._plan.seed
        values = accuracy | beyond_accuracy.per_list(lists, self._targets, self.task.train, seed=seed)
        whole = self._intervals(values, self._clusters)
        for name, value in beyond_accuracy.overall(lists, self.task.train).items():
            whole[name] = Interval(value, np.nan, np.nan)
        return [Findings(k, whole), *(self._of_slice(lists, k, each) for each in self._slices if len(each.questions))]

    def _of_slice(self, lists: Rows, k: int, part: Slice) -> Findings:
        values = measure(lists[part.questions], part.targets, k, recall_over=self._plan.recall_over)
        return Findings(k, self._intervals(values, self._clusters[part.questions]), part.name, len(part.questions))

    def _intervals(self, values: dict[str, Values], clusters: Longs) -> dict[str, Interval]:
        return intervals(values, clusters, resamples=self._plan.resamples, seed=self._plan.seed)


def _measure_each(eval_set: EvaluationSet, rankers: list[Ranker], report: Report, progress: ProgressCallback) -> None:
    """Fit and measure the rankers and add what was found to the report. Empties the list `rankers`."""
    total = len(rankers)
    first: tuple[str, Accuracy] | None = None
    for number in range(total):
        ranker = rankers.pop(0)  # the model is freed before the next one is fitted, unless the caller keeps it
        lists, cost = _rank(ranker, eval_set, _part(progress, ranker.name, number, total))
        accuracies = {name: eval_set.accuracy(rows) for name, rows in lists.items()}
        for name, accuracy in accuracies.items():
            report.add(name, cost, eval_set.findings(lists[name], accuracy))
            if first is not None:
                _compare(report, eval_set, first, (name, accuracy))
        for own, other in ranker.pairs if isinstance(ranker, Staged) else ():
            _compare(report, eval_set, (own, accuracies[own]), (other, accuracies[other]))
        if isinstance(ranker, Tunes):
            report.settings["chosen_on_validation"][ranker.name] = dict(ranker.chosen)
        first = first or (ranker.name, accuracies[ranker.name])
        del ranker
        gc.collect()


def _compare(report: Report, eval_set: EvaluationSet, own: tuple[str, Accuracy], other: tuple[str, Accuracy]) -> None:
    """Add to the report how much better the first ranker is than the second."""
    for k, gains in eval_set.gains(own[1], other[1]).items():
        report.compare(own[0], other[0], k, gains)


def _rank(ranker: Ranker, eval_set: EvaluationSet, progress: ProgressCallback) -> tuple[dict[str, Rows], Cost]:
    """Fit the ranker and return its lists by the name of their row, and what they cost."""
    reset_peak()
    with threadpool_limits(limits=eval_set.threads):
        progress("fitting", 0.0)
        if isinstance(ranker, Reporting):
            ranker.progress = lambda stage, fraction: progress(f"fitting: {stage}", 0.5 * fraction)
        started = time.perf_counter()
        ranker.fit(eval_set.task)
        fitted = time.perf_counter()
        parts = []
        for start in range(0, len(eval_set.shoppers), ASKED_AT_ONCE):
            progress("ranking", 0.5 + 0.5 * start / len(eval_set.shoppers))
            parts.append(_lists(ranker, eval_set, slice(start, start + ASKED_AT_ONCE)))
        ranked = time.perf_counter()
    cost = Cost(fitted - started, 1000 * (ranked - fitted) / len(eval_set.shoppers), peak_mb())
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}, cost


def _lists(ranker: Ranker, eval_set: EvaluationSet, some: slice) -> Mapping[str, Rows]:
    shoppers, excluded, k = eval_set.shoppers[some], eval_set.excluded[some], eval_set.ks[-1]
    if isinstance(ranker, Staged):
        return ranker.stages(shoppers, excluded, k)
    return {ranker.name: ranker.top(shoppers, excluded, k)}


def _part(progress: ProgressCallback, name: str, number: int, total: int) -> ProgressCallback:
    return lambda stage, fraction: progress(f"{name}: {stage}", (number + fraction) / total)


def _answer(task: Task) -> str:
    return "any event" if task.every_kind else f"a {task.target.name.lower()}"


def _settings(
    split_data: TrainTestSplit, plan: EvaluationPlan, task: Task, cases: Sequence[EvalCase], coverage: CoverageReport
) -> dict[str, Any]:
    return {
        "target": "any" if task.every_kind else task.target.name.lower(),
        "exclude_seen": task.exclude_seen,
        "k": sorted({*plan.ks}),
        "recall_over": plan.recall_over,
        "shortest_session": plan.shortest_session,
        "questions": len(cases),
        "customers": len(np.unique(clusters_of(list(cases)))),
        "coverage": asdict(coverage),
        "limit_questions": plan.most_questions,
        "bootstrap": plan.resamples,
        "seed": plan.seed,
        "threads": plan.threads,
        "timed": split_data.timed,
        "cutoff": split_data.cutoff,
        "pairs_of_products_train_never_saw": never_seen(
            split_data.train, split_data.test, None if task.every_kind else task.target
        ),
        "peak_mb_is_of_each": reset_peak(),
        "chosen_on_validation": {},
        **split_data.counts,
    }
