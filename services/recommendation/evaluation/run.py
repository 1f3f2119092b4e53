"""One evaluation: everybody is fitted on the same train, asked the same questions and measured alike."""

import gc
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms.arrays import Longs, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.evaluation import beyond_accuracy
from services.recommendation.evaluation.coverage_report import CoverageReport
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit
from services.recommendation.evaluation.report import Cost, Findings, Report
from services.recommendation.evaluation.resources import peak_mb, reset_peak
from services.recommendation.evaluation.slices import Slice, cold_items, cold_users, never_seen
from services.recommendation.holdout.intervals import RESAMPLES, Interval, clusters_of, intervals
from services.recommendation.holdout.metrics import RecallOver, Values, measure
from services.recommendation.holdout.protocols import eval_cases, excludes_seen, most_frequent_kind, strongest_kind
from services.recommendation.holdout.tasks import EvalCase, ProgressCallback, Protocol, Ranker, Reporting, Task
from shared.errors import FailedPrecondition, InvalidArgument

DEFAULT_K = 20
ASKED_AT_ONCE = 512


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

    def settled(self, world: TrainTestSplit) -> tuple[Protocol, Kind, bool]:
        """Return the protocol's name in reports, the target and whether seen products are left out.

        The target of sessions in which all kinds count is the most frequent one.
        """
        kind_of = most_frequent_kind if self.every_kind else strongest_kind
        target = kind_of(world.test) if self.target is None else self.target
        exclude = self.exclude_seen
        if exclude is None:
            exclude = excludes_seen(self.protocol, world.train, target, timed=world.timed)
        if self.protocol in (Protocol.TOP_N, Protocol.TOP_N_DISCOVERY):
            return (Protocol.TOP_N_DISCOVERY if exclude else Protocol.TOP_N), target, exclude
        return self.protocol, target, exclude


def evaluate(
    world: TrainTestSplit, plan: EvaluationPlan, rankers: Iterable[Ranker], progress: ProgressCallback
) -> Report:
    """Fit, ask and measure rankers one after the other.

    Parameters
    ----------
    world : TrainTestSplit
        What is known, and what came after.
    plan : EvaluationPlan
        What is asked and how it is measured.
    rankers : iterable of Ranker
        Unfitted.
    progress : callable
        Called with what is done now and the fraction done.

    Raises
    ------
    FailedPrecondition
        If the data has nobody to ask.
    """
    protocol, target, exclude = plan.settled(world)
    task = Task(world.train, protocol, target, world.timed, exclude, plan.every_kind)
    progress("asking", 0.0)
    turnout = CoverageReport.of(task, world.test, plan.shortest_session)
    asked = eval_cases(
        protocol,
        world.train,
        world.test,
        target=target,
        exclude_seen=exclude,
        cutoff=world.cutoff,
        shortest_session=plan.shortest_session,
        every_kind=plan.every_kind,
        most=plan.most_questions,
        seed=plan.seed,
    )
    if not asked:
        raise FailedPrecondition(f"there is nobody to ask by {protocol} for {_answer(task)}: {turnout.sentence()}")
    exam = EvaluationSet(task, asked, plan)
    report = Report(plan.dataset, protocol, settings=_settings(world, plan, task, asked, turnout))
    waiting = list(rankers)[::-1]
    total = len(waiting)
    while waiting:
        ranker = waiting.pop()  # what it learned goes before the next one learns, unless the caller keeps it
        lists, cost = _examined(ranker, exam, _part(progress, ranker.name, total - len(waiting) - 1, total))
        report.add(ranker.name, cost, exam.findings(lists))
        del ranker
        gc.collect()
    return report


class EvaluationSet:
    """The questions and how answers are measured."""

    def __init__(self, task: Task, asked: Sequence[EvalCase], plan: EvaluationPlan) -> None:
        self.task = task
        self.shoppers = [question.shopper for question in asked]
        self.excluded = [question.excluded for question in asked]
        self.k = max(plan.ks)
        self.threads = plan.threads
        self._targets = [question.targets for question in asked]
        self._clusters: Longs = clusters_of(list(asked))
        self._slices = [cold_users(list(asked), task.train), cold_items(list(asked), task.train)]
        self._plan = plan

    def findings(self, lists: Rows) -> list[Findings]:
        """Return what is measured of the lists, by k and slice."""
        return [each for k in sorted({*self._plan.ks}) for each in self._at(lists[:, :k], k)]

    def _at(self, lists: Rows, k: int) -> list[Findings]:
        values = measure(lists, self._targets, k, recall_over=self._plan.recall_over)
        values |= beyond_accuracy.per_list(lists, self._targets, self.task.train, seed=self._plan.seed)
        whole = self._intervals(values, self._clusters)
        for name, value in beyond_accuracy.overall(lists, self.task.train).items():
            whole[name] = Interval(value, np.nan, np.nan)
        return [Findings(k, whole), *(self._of_slice(lists, k, each) for each in self._slices if len(each.questions))]

    def _of_slice(self, lists: Rows, k: int, part: Slice) -> Findings:
        values = measure(lists[part.questions], part.targets, k, recall_over=self._plan.recall_over)
        return Findings(k, self._intervals(values, self._clusters[part.questions]), part.name, len(part.questions))

    def _intervals(self, values: dict[str, Values], clusters: Longs) -> dict[str, Interval]:
        return intervals(values, clusters, resamples=self._plan.resamples, seed=self._plan.seed)


def _examined(ranker: Ranker, exam: EvaluationSet, progress: ProgressCallback) -> tuple[Rows, Cost]:
    """Return the ranker's lists and what they cost."""
    reset_peak()
    with threadpool_limits(limits=exam.threads):
        progress("fitting", 0.0)
        if isinstance(ranker, Reporting):
            ranker.told = lambda stage, fraction: progress(f"fitting: {stage}", 0.5 * fraction)
        started = time.perf_counter()
        ranker.fit(exam.task)
        fitted = time.perf_counter()
        parts = []
        for start in range(0, len(exam.shoppers), ASKED_AT_ONCE):
            progress("ranking", 0.5 + 0.5 * start / len(exam.shoppers))
            some = slice(start, start + ASKED_AT_ONCE)
            parts.append(ranker.top(exam.shoppers[some], exam.excluded[some], exam.k))
        ranked = time.perf_counter()
    cost = Cost(fitted - started, 1000 * (ranked - fitted) / len(exam.shoppers), peak_mb())
    return np.concatenate(parts), cost


def _part(progress: ProgressCallback, name: str, number: int, total: int) -> ProgressCallback:
    return lambda stage, fraction: progress(f"{name}: {stage}", (number + fraction) / total)


def _answer(task: Task) -> str:
    return "any event" if task.every_kind else f"a {task.target.name.lower()}"


def _settings(
    world: TrainTestSplit, plan: EvaluationPlan, task: Task, asked: Sequence[EvalCase], turnout: CoverageReport
) -> dict[str, Any]:
    return {
        "target": "any" if task.every_kind else task.target.name.lower(),
        "exclude_seen": task.exclude_seen,
        "k": sorted({*plan.ks}),
        "recall_over": plan.recall_over,
        "shortest_session": plan.shortest_session,
        "questions": len(asked),
        "customers": len(np.unique(clusters_of(list(asked)))),
        "turnout": asdict(turnout),
        "limit_questions": plan.most_questions,
        "bootstrap": plan.resamples,
        "seed": plan.seed,
        "threads": plan.threads,
        "timed": world.timed,
        "cutoff": world.cutoff,
        "pairs_of_products_train_never_saw": never_seen(
            world.train, world.test, None if task.every_kind else task.target
        ),
        "peak_mb_is_of_each": reset_peak(),
        **world.facts,
    }
