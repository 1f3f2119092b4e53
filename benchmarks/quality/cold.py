"""New customers, cold products and products added after the training: `python -m benchmarks.quality.cold`.

Measures the page HOME for what is new, beside simple baselines, and writes the figures as JSON and the page
docs/benchmarks/cold.md. With `--validation` the same is asked a month earlier, and the ways to place cold products and
to answer strangers are compared: what is in force was chosen there.

At a moment (the cutoff of the quality benchmark) the shop asks what customers buy for the first time in the next 28
days. Withheld from the training are

- a tenth of the customers: they come as strangers, and after one to three events;
- 3 % of the products, drawn at random, as if nobody had met them yet: the model knows their rows and texts, no events;
- the products that were first sold in the 28 days before the moment or later: they are in the catalogue alone.
"""

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import ROOT
from benchmarks.quality.cold_shop import APART, FEW, WINDOW, ColdShop
from benchmarks.quality.described import DescribedShop, gift_shop, grocer
from benchmarks.quality.study import say, study_parser, write_figures
from benchmarks.tables import table
from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.content import Content
from services.recommendation.algorithms.shopper_scores import ProductVectors
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.page_ranker import PolicyChange
from services.recommendation.evaluation.served_ranker import SERVED, ServedRanker, catalogue_of
from services.recommendation.holdout.intervals import clusters_of, intervals
from services.recommendation.holdout.metrics import measure
from services.recommendation.holdout.paired import paired_gain
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.request import Filters, Page
from services.recommendation.serving import page_policy
from services.recommendation.serving.page import allowed_on_page, arrange, rank_page
from services.recommendation.serving.ranking import rank
from services.recommendation.serving.request_context import RequestContext
from services.recommendation.training.reranker_params import RerankerParams

PLACES = 20
QUESTIONS = 500
LEARNED_FROM = 1000
"""Questions that the reranker is learned from, at most."""
COLD_EVERY = {"none": 1000, "in the fusion": 0, **{f"one in {every}": every for every in (20, 15, 12, 10, 7, 5)}}
"""What is compared on validation: places of a list of which one is for a cold product."""
STRANGERS: Mapping[str, Mapping[str, float]] = {
    "popular": {"popular": 1.0},
    "trending": {"trending": 1.0},
    "popular .6, trending .3, new .1": {"popular": 0.6, "trending": 0.3, "new_arrivals": 0.1},
    "popular .7, trending .2, new .1": {"popular": 0.7, "trending": 0.2, "new_arrivals": 0.1},
    "popular .8, trending .1, new .1": {"popular": 0.8, "trending": 0.1, "new_arrivals": 0.1},
    "popular .9, trending .05, new .05": {"popular": 0.9, "trending": 0.05, "new_arrivals": 0.05},
    "popular .25, trending .375, new .375": {"popular": 0.25, "trending": 0.375, "new_arrivals": 0.375},
}
"""Weights for strangers without a known group that are compared on validation; the last were set by hand before."""
NEWCOMERS = (4.0, 2.0, 1.0, 0.5)
"""Weights of the hybrid beside those of a stranger that are compared on validation, for shoppers of a few events."""
OUT = ROOT / "benchmarks" / "results" / "cold.json"
DOCUMENT = ROOT / "docs" / "benchmarks" / "cold.md"

SETS: Mapping[str, Callable[[Path], DescribedShop]] = {"gift_shop": gift_shop, "grocer": grocer}


@dataclass(frozen=True)
class Measured:
    """A list in a slice; `gain` is its NDCG minus that of the page, by the paired differences."""

    title: str
    slice: str
    questions: int
    name: str
    ndcg: float
    low: float
    high: float
    recall: float
    gain: float
    gain_low: float
    gain_high: float


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _parser().parse_args(arguments)
    started = time.perf_counter()
    measured: list[Measured] = []
    with threadpool_limits(limits=given.threads):
        for name in given.sets:
            shop = SETS[name](given.data)
            moment = shop.cutoff - WINDOW if given.validation else shop.cutoff
            cold = ColdShop.at(shop, moment, given.questions, given.seed)
            say(f"{shop.title}: learning from {len(cold.task.train.customers):,} events")
            found = compared(shop.title, cold, variants() if given.validation else {}, given.threads, given.seed)
            say(_table(found))
            measured += found
    write_figures(given, measured, started)
    if not given.validation:
        given.document.write_text(report(measured))
    return 0


def variants() -> dict[str, PolicyChange]:
    """Return the ways to place cold products that are compared on validation, by name."""
    return {name: _with_cold(every) for name, every in COLD_EVERY.items()}


def compared(
    title: str, cold: ColdShop, changes: Mapping[str, PolicyChange], threads: int, seed: int
) -> list[Measured]:
    """Fit the product, ask all questions, and return how the page, its variants and the baselines answer them."""
    offline = OfflineRanker(params=RerankerParams(most_questions=LEARNED_FROM), threads=threads)
    catalogue = catalogue_of(cold.everything, np.ones(cold.everything.n_products, np.bool_))
    served = ServedRanker(offline, Page.HOME, catalogue)
    served.fit(cold.task)
    say(f"newcomers: the reranker weighs {offline.newcomer_weight:g} beside best-sellers")
    measured: list[Measured] = []
    answers: dict[bool, dict[int, dict[str, Rows]]] = {False: {}, True: {}}
    for name, cases in cold.questions():
        if not cases:
            continue
        known = answers[name in APART]
        known |= _answers(served, [case for case in cases if id(case.shopper) not in known], changes)
        lists = [known[id(case.shopper)] for case in cases]
        measured += _measured(
            title, name, cases, {each: np.stack([of[each] for of in lists]) for each in lists[0]}, seed
        )
    return measured


def _answers(
    served: ServedRanker, cases: list[EvalCase], changes: Mapping[str, PolicyChange]
) -> dict[int, dict[str, Rows]]:
    """Return the lists for each shopper by name: of the page, of its variants and of the baselines."""
    if not cases:
        return {}
    requests = served.requests([case.shopper for case in cases], [case.excluded for case in cases])
    lists = served.lists(requests, {SERVED: lambda policy: policy, **changes}, PLACES)
    baselines = Baselines(served)
    found: dict[int, dict[str, Rows]] = {}
    for place, (case, request) in enumerate(zip(cases, requests, strict=True)):
        own = {name: rows[place] for name, rows in lists.items()}
        own |= baselines.lists(request)
        if changes and len(case.shopper.products) <= FEW:
            own |= baselines.beside_popular(request) if len(case.shopper.products) else baselines.mixes(request)
        found[id(case.shopper)] = own
    return found


class Baselines:
    """What a shop without a recommender could show."""

    def __init__(self, served: ServedRanker) -> None:
        self._state = served.state
        catalogue = self._state.catalogue
        self._vectors = ProductVectors.of_all(catalogue.embeddings, np.ones(len(catalogue), np.float32))
        self._content = Content()

    def lists(self, request: RequestContext) -> dict[str, Rows]:
        """Return their lists by name."""
        allowed, views, scorers = self._allowed(request), request.views, self._state.scorers
        popular = scorers["popular"].scores_of(views)
        category = self._state.catalogue.category
        inside = allowed & (category == _favourite(category[views.whole.products]))
        of_category = popular.top(PLACES, inside)[0]
        best = popular.top(2 * PLACES, allowed)[0]
        filled = np.concatenate([of_category, best[~np.isin(best, of_category)]])
        return {
            "popular": _padded(best),
            "popular in category": _padded(filled),
            "content nearest": _padded(self._content.scores_with(self._vectors, views.whole).top(PLACES, allowed)[0]),
            "new arrivals": _padded(scorers["new_arrivals"].scores_of(views).top(PLACES, allowed)[0]),
        }

    def mixes(self, request: RequestContext) -> dict[str, Rows]:
        """Return the lists of the weights in `STRANGERS`."""
        allowed = self._allowed(request)
        return {
            f"mix: {name}": _padded(rank(self._state.scorers, weights, request.views, allowed).top(PLACES))
            for name, weights in STRANGERS.items()
        }

    def beside_popular(self, request: RequestContext) -> dict[str, Rows]:
        """Return the lists of the hybrid fused with the weights of a stranger, for each weight of it in `NEWCOMERS`."""
        state = self._state
        own = page_policy.PAGE_POLICIES[Page.HOME]
        policy = replace(own, alone=False, base={})
        lists = {}
        for weight in NEWCOMERS:
            plan = page_policy.RankingPlan(policy, policy.strategy, {"popular": 1.0}, weight)
            ranked = rank_page(state, request, plan, Filters(), PLACES)
            rows = arrange(ranked, state.catalogue, policy, request, PLACES).rows
            lists[f"hybrid {weight:g} beside popular 1"] = _padded(rows)
        return lists

    def _allowed(self, request: RequestContext) -> Mask:
        return allowed_on_page(self._state.catalogue, request, page_policy.PAGE_POLICIES[Page.HOME], Filters())


def report(measured: Sequence[Measured]) -> str:
    """Return the page of the documentation."""
    return "\n".join(
        [
            "# What is new\n",
            "Made by `python -m benchmarks.quality.cold` from `benchmarks/results/cold.json`; do not edit.\n",
            "The page HOME at the cutoff of the [quality benchmark](quality.md), beside simple baselines; answers are"
            " first purchases in the next 28 days. How, and what was chosen by it:"
            " [decision 0020](../decisions/0020-places-for-cold-products.md).\n",
            "| slice | answers that count |\n| --- | --- |\n"
            "| `all` | all, for customers whom the training knows |\n"
            "| `met` | products that the training saw |\n"
            "| `unmet` | products that the model knows by their texts alone: all their events were withheld |\n"
            f"| `few` | products with 1 to {FEW} events in the training |\n"
            "| `added` | products that came after the training |\n"
            "| `unmet, apart`, `added, apart` | the same, of lists that show unmet and added products alone |\n"
            "| `stranger` | all, for customers withheld from the training, before their first event |\n"
            f"| `newcomer` | all that follow, for the same after 1 to {FEW} events |\n",
            _table(measured),
        ]
    )


def _measured(title: str, name: str, cases: list[EvalCase], lists: Mapping[str, Rows], seed: int) -> list[Measured]:
    targets, clusters = [case.targets for case in cases], clusters_of(cases)
    values = {each: measure(rows, targets, PLACES) for each, rows in lists.items()}
    found = []
    for each, of_list in values.items():
        ndcg = intervals(of_list, clusters, seed=seed)["ndcg"]
        gain = paired_gain(of_list["ndcg"], values[SERVED]["ndcg"], clusters, seed=seed)
        recall = float(of_list["recall"].mean())
        numbers = (ndcg.value, ndcg.low, ndcg.high, recall, gain.value, gain.low, gain.high)
        found.append(Measured(title, name, len(cases), each, *numbers))
    return found


def _favourite(categories: Rows) -> int:
    """Return the category of most products; -2, which is none, where there is none."""
    known = categories[categories >= 0]
    return int(np.bincount(known).argmax()) if len(known) else -2


def _with_cold(every: int) -> PolicyChange:
    return lambda policy: replace(policy, cold_every=every)


def _padded(rows: Rows) -> Rows:
    return np.concatenate([rows, np.full(PLACES, -1)])[:PLACES].astype(np.int32)


def _table(rows: Sequence[Measured]) -> str:
    lines = [
        [
            row.title,
            row.slice,
            f"{row.questions:,}",
            f"**{row.name}**" if row.name == SERVED else row.name,
            f"{row.ndcg:.4f} [{row.low:.4f}, {row.high:.4f}]",
            f"{row.recall:.4f}",
            "" if row.name == SERVED else f"{row.gain:+.4f} [{row.gain_low:+.4f}, {row.gain_high:+.4f}]",
        ]
        for row in rows
    ]
    head = ("", "slice", "questions", "list", f"NDCG@{PLACES}", f"recall@{PLACES}", "NDCG less that of the page")
    return table(head, lines, "llrlrrr")


def _parser() -> argparse.ArgumentParser:
    parser = study_parser("cold", __doc__, QUESTIONS, OUT, DOCUMENT)
    add: Any = parser.add_argument
    add("--sets", nargs="+", choices=list(SETS), default=list(SETS), metavar="SET", help="ask these alone")
    add("--validation", action="store_true", help="ask a month earlier and compare variants; writes no document")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
