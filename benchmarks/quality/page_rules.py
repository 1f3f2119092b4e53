"""The rules of the pages, chosen on questions from before the test: `python -m benchmarks.quality.page_rules`.

Measures every value of each rule through the page that is served, prints what would be chosen, and writes the figures
as JSON and the page docs/benchmarks/page-rules.md. It changes no policy.

Nothing from the test period of the quality benchmark is read: the questions are held out of its training data
(`holdout.splits.validation`), and what is learned comes from before them. The rules of a page are chosen one after the
other, each with those before it in force and those after it off:

seen, substitutes
    The value with the largest NDCG, as the mean over the sets of its ratio to that without the rule.
trade_off, category_share
    The smallest value, so the most diversity, that costs at most 1 % of the NDCG without the rule on every set. The
    value in force stays where it keeps the budget too and has the same diversity to 1 %: it cannot be told apart.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import ROOT
from benchmarks.quality.described import gift_shop, grocer
from benchmarks.quality.sets import BY_NAME
from benchmarks.quality.sets.dataset import write
from benchmarks.quality.study import say, study_parser, write_figures
from benchmarks.tables import table
from services.recommendation.algorithms.arrays import FloatArray, Rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.evaluation.beyond_accuracy import diversity
from services.recommendation.evaluation.io.files import read_events
from services.recommendation.evaluation.io.train_test_split import split_files
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.served_ranker import ServedRanker
from services.recommendation.holdout.intervals import clusters_of
from services.recommendation.holdout.metrics import Values, measure
from services.recommendation.holdout.paired import paired_gain
from services.recommendation.holdout.protocols import most_frequent_kind
from services.recommendation.holdout.splits import validation
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
from services.recommendation.request import Page
from services.recommendation.serving.page_policy import PAGE_POLICIES, PagePolicy
from services.recommendation.serving.request_context import RequestContext
from services.recommendation.training.reranker_params import RerankerParams

PLACES = 20
QUESTIONS = 1000
LEARNED_FROM = 2000
"""Questions that a reranker is learned from, at most."""
MOST_EVENTS = 400_000
"""Events of a set, at most: of customers (or sessions) drawn at random."""
MOST_LOSS = 0.01
"""Share of the NDCG that diversity, or a cap, may cost."""
SAME_DIVERSITY = 0.01
"""Share of the diversity below which two values cannot be told apart."""
DEMOTION = ("seen", "substitutes")
VALUES: Mapping[str, tuple[float, ...]] = {
    "seen": (1.0, 0.9, 0.8, 0.7, 0.6, 0.4),
    "substitutes": (1.0, 0.9, 0.75, 0.5, 0.25),
    "trade_off": (1.0, 0.98, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6),
    "category_share": (1.0, 0.75, 0.5, 0.35, 0.25, 0.15),
}
"""The values of each rule, first that without it."""
RULES: Mapping[Page, tuple[str, ...]] = {
    Page.HOME: ("seen", "substitutes", "trade_off", "category_share"),
    Page.PRODUCT: ("seen", "trade_off"),
    Page.CATEGORY: ("trade_off",),
    Page.CART: ("trade_off",),
    Page.POST_PURCHASE: ("substitutes", "trade_off"),
}
"""The rules of each page, in the order in which they are chosen."""
OUT = ROOT / "benchmarks" / "results" / "page_rules.json"
DOCUMENT = ROOT / "docs" / "benchmarks" / "page-rules.md"

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class AskedPage:
    """Questions of one set to one page.

    Parameters
    ----------
    title : str
        The set.
    page : Page
    rules : tuple of str
        The rules that the set can say something about.
    served : ServedRanker
        Fitted.
    requests : list of RequestContext
    cases : list of EvalCase
        As many, with the answers.
    embeddings : ndarray of shape (n_products, d), float32
    """

    title: str
    page: Page
    rules: tuple[str, ...]
    served: ServedRanker
    requests: list[RequestContext]
    cases: list[EvalCase]
    embeddings: FloatArray

    def lists(self, policies: Mapping[str, Mapping[str, float]]) -> dict[str, Rows]:
        """Return the lists of the page under each policy, given by the values of its rules; rules not named are off."""
        changes = {name: _changed(values) for name, values in policies.items()}
        return self.served.lists(self.requests, changes, PLACES)

    def ndcg(self, lists: Rows) -> Values:
        """Return the NDCG of each question."""
        return measure(lists, [case.targets for case in self.cases], PLACES)["ndcg"]


@dataclass(frozen=True)
class Measured:
    """What one value of a rule does to a page.

    Parameters
    ----------
    page, rule, title : str
    questions : int
    value, ndcg : float
    diversity : float or None
        Mean of 1 − cosine over the pairs of a list; None without embeddings.
    change, low, high : float
        Of the NDCG against the page without the rule, as a share of that, with the 95 % interval of the paired
        differences.
    """

    page: str
    rule: str
    title: str
    questions: int
    value: float
    ndcg: float
    diversity: float | None
    change: float
    low: float
    high: float


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _parser().parse_args(arguments)
    if not given.report_only:
        _measure(given)
    found = json.loads(given.out.read_text())
    given.document.parent.mkdir(parents=True, exist_ok=True)
    given.document.write_text(report([Measured(**row) for row in found["rows"]]))
    return 0


def _measure(given: argparse.Namespace) -> None:
    """Measure every value and write the figures."""
    started = time.perf_counter()
    with threadpool_limits(limits=given.threads):
        asked = ask_sets(given.data, given.questions, given.seed, given.threads, say)
        measured = measure_rules(asked, given.seed, say)
    write_figures(given, measured, started)


def ask_sets(data: Path, questions: int, seed: int, threads: int, say: Say) -> list[AskedPage]:
    """Fit the product on each set before its test, and return the questions to the pages."""
    asked: list[AskedPage] = []
    for shop in (gift_shop(data), grocer()):
        train = shop.before(shop.cutoff)
        capped = ("category_share",) if (train.category >= 0).any() else ()
        how = (shop.title, questions, seed, threads)
        discovery = Task(train, Protocol.TOP_N_DISCOVERY, Kind.PURCHASE, exclude_seen=True)
        pages = {Page.HOME: ("substitutes", "trade_off", *capped), Page.POST_PURCHASE: RULES[Page.POST_PURCHASE]}
        if capped:
            pages[Page.CATEGORY] = RULES[Page.CATEGORY]
        asked += _asked(discovery, pages, *how, say)
        session = Task(train, Protocol.SESSION, Kind.PURCHASE, every_kind=True)
        asked += _asked(session, {Page.PRODUCT: ("trade_off",), Page.CART: ("trade_off",)}, *how, say)
    for name in ("serenade_example", "retailrocket_sessions"):
        dataset = BY_NAME[name]
        task = _sessions(name, data)
        asked += _asked(
            task, {Page.PRODUCT: ("seen",), Page.HOME: ("seen",)}, dataset.title, questions, seed, threads, say
        )
    return asked


def measure_rules(asked: Sequence[AskedPage], seed: int, say: Say) -> list[Measured]:
    """Return what every value of each rule does, with the values that are chosen on the way in force."""
    measured: list[Measured] = []
    for page, rules in RULES.items():
        values: dict[str, float] = {}
        for rule in rules:
            rows = [
                row
                for each in asked
                if each.page is page and rule in each.rules
                for row in measure_rule(each, rule, values, seed)
            ]
            if rows:
                values[rule] = choose_value(rule, rows, getattr(PAGE_POLICIES[page], rule))
                measured += rows
                say(_table(rows) + f"{page}: {rule} = {values[rule]:g}\n")
    return measured


def measure_rule(asked: AskedPage, rule: str, before: Mapping[str, float], seed: int) -> list[Measured]:
    """Return what each value of a rule does, with the rules `before` it in force and those after it off."""
    lists = asked.lists({f"{value:g}": {**before, rule: value} for value in VALUES[rule]})
    clusters = clusters_of(asked.cases)
    without = asked.ndcg(lists[f"{VALUES[rule][0]:g}"])
    rows = []
    for value in VALUES[rule]:
        own = lists[f"{value:g}"]
        ndcg = asked.ndcg(own)
        gain = paired_gain(ndcg, without, clusters, seed=seed)
        change, low, high = (float(part / without.mean()) for part in (gain.value, gain.low, gain.high))
        row = Measured(
            page=asked.page.name,
            rule=rule,
            title=asked.title,
            questions=len(asked.cases),
            value=value,
            ndcg=float(ndcg.mean()),
            diversity=float(np.nanmean(diversity(own, asked.embeddings))) if asked.embeddings.shape[1] else None,
            change=change,
            low=low,
            high=high,
        )
        rows.append(row)
    return rows


def choose_value(rule: str, rows: Sequence[Measured], in_force: float) -> float:
    """Return the value that the rule of choice takes, of what each value of a rule does on each set."""
    changes = {value: [row.change for row in rows if row.value == value] for value in VALUES[rule]}
    if rule in DEMOTION:
        # of equal values the first, which demotes least
        return max(changes, key=lambda value: float(np.mean(changes[value])))
    within = [value for value in changes if min(changes[value]) >= -MOST_LOSS]
    best = min(within)
    return in_force if in_force in within and _as_diverse(rows, in_force, best) else best


def _as_diverse(rows: Sequence[Measured], one: float, other: float) -> bool:
    """Return whether lists under one value are as diverse as under another, to `SAME_DIVERSITY`, on every set."""
    of = {(row.title, row.value): row.diversity or 0.0 for row in rows}
    titles = {row.title for row in rows}
    return all(of[title, one] >= (1.0 - SAME_DIVERSITY) * of[title, other] for title in titles)


def chosen_values(measured: Sequence[Measured]) -> dict[str, dict[str, float]]:
    """Return the chosen values by page and rule, from what was measured."""
    chosen: dict[str, dict[str, float]] = {}
    for page, rule in dict.fromkeys((row.page, row.rule) for row in measured):
        rows = [row for row in measured if (row.page, row.rule) == (page, rule)]
        chosen.setdefault(page, {})[rule] = choose_value(rule, rows, getattr(PAGE_POLICIES[Page[page]], rule))
    return chosen


def report(measured: Sequence[Measured]) -> str:
    """Return the page of the documentation."""
    parts = [
        "# The rules of the pages\n",
        "Made by `python -m benchmarks.quality.page_rules` from `benchmarks/results/page_rules.json`; do not edit.\n",
        "Questions are from before the test of the [quality benchmark](quality.md). The rules of a page are chosen one"
        " after the other, each with those before it in force and those after it off. Change is that of NDCG@"
        f"{PLACES} against the page without the rule, with the 95 % interval of the paired differences; diversity is"
        " the mean of 1 − cosine over the pairs of a list. `seen` and `substitutes` get the value with the largest"
        f" NDCG, `trade_off` and `category_share` the smallest value that costs at most {100 * MOST_LOSS:g} % on every"
        " set, unless that in force does so too and its lists are as diverse. `substitutes` is measured only: the"
        " questions cannot say what it is worth."
        " Why: [decision 0018](../decisions/0018-rules-chosen-on-validation.md).\n",
    ]
    for page, values in chosen_values(measured).items():
        for rule, value in values.items():
            rows = [row for row in measured if (row.page, row.rule) == (page, rule)]
            today = getattr(PAGE_POLICIES[Page[page]], rule)
            parts += [f"## {page}: {rule}\n", f"Chosen: {value:g}. In force: {today:g}.\n", _table(rows)]
    return "\n".join(parts)


def _asked(
    task: Task,
    pages: Mapping[Page, tuple[str, ...]],
    title: str,
    questions: int,
    seed: int,
    threads: int,
    say: Say,
) -> list[AskedPage]:
    """Fit the product on a split inside the task's train, and return the questions held out of it to each page."""
    say(f"{title}: {task.protocol}")
    task = replace(task, train=some_customers(task.train, MOST_EVENTS, seed))
    inner, cases = validation(task, seed, questions)
    offline = OfflineRanker(params=RerankerParams(most_questions=LEARNED_FROM), threads=threads)
    offline.fit(inner)
    found = []
    for page, rules in pages.items():
        served = ServedRanker(offline, page)
        served.fit(inner)
        own = [_in_category(case, inner.train) for case in cases] if page is Page.CATEGORY else cases
        requests = served.requests([case.shopper for case in own], [case.excluded for case in own])
        if "substitutes" in rules:  # as if they came back right after their last order
            requests = [replace(each, just_bought=each.views.whole.last_basket) for each in requests]
        found.append(AskedPage(title, page, rules, served, requests, own, inner.train.embeddings))
    gc.collect()
    return found


def some_customers(data: Interactions, most: int, seed: int) -> Interactions:
    """Return the events of so many customers, drawn at random, that there are at most `most` events."""
    counts = np.bincount(data.customers, minlength=data.n_customers)
    drawn = np.random.default_rng(seed).permutation(data.n_customers)
    kept = drawn[np.cumsum(counts[drawn]) <= most]
    return data.where(np.isin(data.customers, kept))


def _in_category(case: EvalCase, train: Interactions) -> EvalCase:
    """Return the question for the category that most of its answers are in."""
    codes, counts = np.unique(train.category[case.targets], return_counts=True)
    inside = train.category == codes[counts.argmax()]
    outside = np.flatnonzero(~inside).astype(np.int32)
    return replace(case, targets=case.targets[inside[case.targets]], excluded=np.union1d(case.excluded, outside))


def _sessions(name: str, data: Path) -> Task:
    """Return the training sessions of a set of the quality benchmark."""
    cache = ROOT / ".build" / "bench" / name
    write(BY_NAME[name], data, cache)
    train, test = (read_events(cache / f"{part}.parquet") for part in ("train", "test"))
    split = split_files(train, test, by_session=True)
    return Task(split.train, Protocol.SESSION, most_frequent_kind(split.train), split.timed, every_kind=True)


def _changed(values: Mapping[str, float]) -> Callable[[PagePolicy], PagePolicy]:
    """Return what gives a policy these values of its rules, and turns its other rules off."""
    off = {rule: of_rule[0] for rule, of_rule in VALUES.items()}

    def changed(policy: PagePolicy) -> PagePolicy:
        given: dict[str, Any] = {**off, **values}
        return replace(policy, **given)

    return changed


def _table(rows: Sequence[Measured]) -> str:
    lines = [
        [
            row.title,
            f"{row.questions:,}",
            f"{row.value:g}",
            f"{row.ndcg:.4f}",
            f"{100 * row.change:+.1f} % [{100 * row.low:+.1f}, {100 * row.high:+.1f}]",
            "–" if row.diversity is None else f"{row.diversity:.3f}",
        ]
        for row in rows
    ]
    return table(("", "questions", "value", f"NDCG@{PLACES}", "change", "diversity"), lines, "lrrrrr")


def _parser() -> argparse.ArgumentParser:
    parser = study_parser("page_rules", __doc__, QUESTIONS, OUT, DOCUMENT)
    parser.add_argument("--report-only", action="store_true", help="write the tables from the figures that are there")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
