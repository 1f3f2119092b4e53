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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import ROOT
from benchmarks.quality.described import DescribedShop, gift_shop, grocer
from benchmarks.quality.page_rules import MOST_EVENTS, some_customers
from benchmarks.quality.study import say, study_parser, write_figures
from benchmarks.tables import table
from services.recommendation.algorithms.arrays import Longs, Mask, Rows
from services.recommendation.algorithms.content import Content
from services.recommendation.algorithms.interactions import DAY, Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.algorithms.shopper_scores import ProductVectors
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.served_ranker import SERVED, PolicyChange, ServedRanker, catalogue_of
from services.recommendation.holdout.histories import CustomerHistories
from services.recommendation.holdout.intervals import clusters_of, intervals
from services.recommendation.holdout.metrics import measure
from services.recommendation.holdout.paired import paired_gain
from services.recommendation.holdout.protocols import products_of
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
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
WINDOW = 28 * DAY
"""How long answers count, and how long before the moment the latest products were added."""
WITHHELD_CUSTOMERS = 0.1
WITHHELD_PRODUCTS = 0.03
FEW = 3
"""Events of a new customer, and events of a cold product in training, at most."""
APART: Mapping[str, str] = {"unmet, apart": "unmet", "added, apart": "added"}
"""Slices whose questions are asked again of a page that shows cold products alone."""
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

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class ColdShop:
    """A shop at a moment, with customers and products that the training did not see.

    Parameters
    ----------
    task : Task
        What is learned from: the first `task.train.n_products` rows of the catalogue.
    everything : Interactions
        All products, without events.
    cases : list of EvalCase
        Questions of known customers.
    strangers, newcomers : list of EvalCase
        Questions of customers whom the training does not know, before their first event and after one to three.
    slices : dict of str to ndarray of shape (n_products,), bool
        The products that count as answers in each slice of the questions of known customers.
    """

    task: Task
    everything: Interactions
    cases: list[EvalCase]
    strangers: list[EvalCase]
    newcomers: list[EvalCase]
    slices: dict[str, Mask]

    @classmethod
    def at(cls, shop: DescribedShop, moment: int, most: int, seed: int) -> "ColdShop":
        """Return the shop at a moment, with at most `most` questions of each kind."""
        rng = np.random.default_rng(seed)
        data, n_known = _launched_last(some_customers(shop.events, MOST_EVENTS, seed), moment - WINDOW)
        n = data.n_products
        launched = np.arange(n) >= n_known
        sold = np.flatnonzero(products_of(data.where(data.times < moment)) * ~launched > 0)
        unmet = np.isin(np.arange(n), rng.choice(sold, round(WITHHELD_PRODUCTS * len(sold)), replace=False))
        customers = np.unique(data.customers)
        new = np.isin(
            np.arange(data.n_customers), rng.choice(customers, round(WITHHELD_CUSTOMERS * len(customers)), False)
        )
        before = data.where((data.times < moment) & ~unmet[data.products])
        after = data.where((data.times >= moment) & (data.times < moment + WINDOW))
        train = _first_products(before.where(~new[before.customers] & ~launched[before.products]), n_known, moment)
        events = np.append(products_of(train), np.zeros(n - n_known, np.int64))
        slices = {
            "all": np.ones(n, np.bool_),
            "met": events > 0,
            "unmet": unmet,
            "few": (events > 0) & (events <= FEW),
            "added": launched,
        }
        known, unknown = after.where(~new[after.customers]), after.where(new[after.customers])
        return cls(
            task=Task(train, Protocol.TOP_N_DISCOVERY, Kind.PURCHASE, exclude_seen=True),
            everything=data.where(np.zeros(len(data.customers), np.bool_)),
            cases=_drawn(list(_of_known(before, known, moment)), most, rng),
            strangers=_drawn(list(_of_new(unknown, moment, [0], rng)), most, rng),
            newcomers=_drawn(list(_of_new(unknown, moment, range(1, FEW + 1), rng)), most, rng),
            slices=slices,
        )

    def questions(self) -> Iterator[tuple[str, list[EvalCase]]]:
        """Return the questions of each slice."""
        for name in self.slices:
            yield name, self._of_slice(name)
        met = np.flatnonzero(self.slices["met"]).astype(np.int32)
        for name, slice_ in APART.items():
            yield name, [replace(case, excluded=np.union1d(case.excluded, met)) for case in self._of_slice(slice_)]
        yield "stranger", self.strangers
        yield "newcomer", self.newcomers

    def _of_slice(self, name: str) -> list[EvalCase]:
        products = self.slices[name]
        answers = [replace(case, targets=case.targets[products[case.targets]]) for case in self.cases]
        return [case for case in answers if len(case.targets)]


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


def _launched_last(data: Interactions, launch: int) -> tuple[Interactions, int]:
    """Return the data with the products that were added from a moment on in the last rows, and how many others."""
    late = data.added >= launch
    order = np.argsort(late, kind="stable")
    row_of = np.empty(len(order), np.int32)
    row_of[order] = np.arange(len(order))
    moved = {name: getattr(data, name)[order] for name in ("embeddings", "added", "category")}
    return replace(data, products=row_of[data.products], **moved), int((~late).sum())


def _first_products(data: Interactions, n: int, moment: int) -> Interactions:
    """Return the data, whose events are all with the first `n` products, without the others."""
    parts = {name: getattr(data, name)[:n] for name in ("embeddings", "category")}
    relations = {name: getattr(data, name)[:n, :n] for name in ("similar", "complementary")}
    return replace(data, n_products=n, now=moment, added=np.minimum(data.added[:n], moment), **parts, **relations)


def _of_known(before: Interactions, after: Interactions, moment: int) -> Iterator[EvalCase]:
    """Ask customers with a history what they buy for the first time."""
    histories = CustomerHistories(before, moment)
    for customer, events in _by_customer(after):
        shopper = histories.shopper(customer)
        targets = np.setdiff1d(after.products[events], shopper.bought).astype(np.int32)
        if len(shopper.products) and len(targets):
            yield EvalCase(shopper, targets, shopper.bought, customer)


def _of_new(after: Interactions, moment: int, known: Sequence[int], rng: np.random.Generator) -> Iterator[EvalCase]:
    """Ask customers without a history what they buy after so many events, one of `known` by chance."""
    for customer, events in _by_customer(after):
        n = int(rng.choice(known))
        first = events[:n]
        shopper = Shopper(
            now=moment,
            products=after.products[first],
            kinds=after.kinds[first],
            quantities=after.quantities[first],
            times=np.full(len(first), moment - DAY, np.int64),
            baskets=after.baskets[first],
        )
        targets = np.setdiff1d(after.products[events], shopper.bought).astype(np.int32)
        if len(targets):
            yield EvalCase(shopper, targets, shopper.bought, customer)


def _by_customer(data: Interactions) -> Iterator[tuple[int, Longs]]:
    """Return each customer and the positions of their events, oldest first."""
    order = np.lexsort((data.times, data.customers))
    customers, starts = np.unique(data.customers[order], return_index=True)
    yield from zip(customers.tolist(), np.split(order, starts[1:]), strict=True)


def _drawn(cases: list[EvalCase], most: int, rng: np.random.Generator) -> list[EvalCase]:
    chosen = np.sort(rng.permutation(len(cases))[:most])
    return [cases[place] for place in chosen.tolist()]


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
