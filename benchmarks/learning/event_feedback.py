"""`python -m benchmarks.learning.event_feedback`: what learning from shown lists costs and brings on a synthetic shop.

Customers buy within their tastes, best-sellers first. Of the lists that they are shown, which are of their tastes, they
rather click what sells little: purchases do not say so. Places are looked at with a falling probability. The rerankers
are trained twice, without the lists and with them. Measured are the processor time of both trainings, the gain on the
latest lists, that on organic questions, and how far the estimated position bias is from the true one.
"""

import argparse
import sys
import time
from collections.abc import Sequence

import lightgbm  # noqa: F401 - loaded before the clock starts, which takes some seconds
import numpy as np

from benchmarks.learning.figures import Figure, printed
from benchmarks.quality.scaling.synthetic_data import synthetic_data
from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.interactions import DAY, Interactions
from services.recommendation.algorithms.registry import default_algorithms
from services.recommendation.holdout.protocols import products_of
from services.recommendation.training.reranker_training import RerankerTrainingResult, train_rerankers
from services.recommendation.training.shown_lists import PAGES, Grade, ShownLists
from shared.page_rules import Page

PLACES = 10
DAYS = 18
"""Days before now in which lists were shown: the last tenth of the shop's time."""
EXAMINATION = 1.0 / np.arange(1, PLACES + 1) ** 0.7
ABOUT = """A synthetic shop, whose rerankers are trained with the lists that were shown in the last tenth of its time
and without them, on one thread. Customers buy within their tastes, best-sellers first; of lists of their tastes they
rather click what sells less than the median. Gains are of the reranker with the lists: on the latest quarter of the
lists, of which it learned nothing until it was chosen, and on organic questions. The shop is made to show that such a
preference is learned; it does not say how large the preferences of real shoppers are."""
CHOSEN, CHOSEN_SELDOM_SOLD = 0.03, 0.2
"""Probability that a product is clicked when it is looked at; of those that sell less than the median."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one JSON object; return the exit code."""
    given = _parser().parse_args(arguments)
    data = synthetic_data(given.products, given.seed, n_customers=given.customers, n_events=given.events)
    shown = shown_lists(data, given.lists, given.seed + 1)
    without_seconds, _ = _trained(data, None)
    with_seconds, found = _trained(data, shown)
    sizes = {name: getattr(given, name) for name in ("products", "customers", "events", "lists", "seed")}
    said = found.reports["discovery"]["event_feedback"]
    print(printed(figures(found, without_seconds, with_seconds), ABOUT, said=said, **sizes))
    return 0


def shown_lists(data: Interactions, n_lists: int, seed: int) -> ShownLists:
    """Return lists of products of the customers' tastes in random order, and what was clicked of them."""
    rng = np.random.default_rng(seed)
    events = rng.integers(0, len(data.customers), n_lists)
    customers = data.customers[events]
    products = np.stack([_of_taste(data, row, rng) for row in data.products[events].tolist()])
    sold = products_of(data)
    seldom = sold[products] < np.median(sold)
    clicked = rng.random(products.shape) < np.where(seldom, CHOSEN_SELDOM_SOLD, CHOSEN) * EXAMINATION
    times = np.sort(data.now - rng.integers(0, DAYS * DAY, n_lists))
    order = np.argsort(products, axis=1)
    positions = np.broadcast_to(np.arange(1, PLACES + 1), products.shape)
    n = products.size
    return ShownLists(
        customers=customers,
        pages=np.full(n_lists, PAGES.index(Page.HOME), np.int8),
        times=times,
        whole=np.ones(n_lists, np.bool_),
        owners=np.repeat(np.arange(n_lists), PLACES),
        products=np.take_along_axis(products, order, axis=1).ravel(),
        positions=np.take_along_axis(positions, order, axis=1).ravel(),
        grades=np.where(np.take_along_axis(clicked, order, axis=1), Grade.CLICK, Grade.NONE).ravel().astype(np.int8),
        dismissed=np.zeros(n, np.bool_),
        propensities=np.ones(n, np.float32),
        worth=np.ones(n, np.float32),
    )


def _of_taste(data: Interactions, product: int, rng: np.random.Generator) -> Rows:
    """Return some products of the taste of a product; the products of a taste are consecutive rows."""
    first, last = np.searchsorted(data.category, [data.category[product], data.category[product] + 1])
    first = min(int(first), data.n_products - PLACES)
    return (first + rng.permutation(max(int(last) - first, PLACES))[:PLACES]).astype(np.int32)


def figures(found: RerankerTrainingResult, without_seconds: float, with_seconds: float) -> list[Figure]:
    """Return the figures of the benchmark."""
    facts, bias = found.reports["discovery"], found.biases[Page.HOME]
    error = np.abs(bias.at(np.arange(1, PLACES + 1)) - EXAMINATION).mean()
    return [
        Figure("event_feedback.cpu_ratio", round(with_seconds / without_seconds, 3), "ratio"),
        Figure("event_feedback.cpu_seconds", round(with_seconds - without_seconds, 1), "s"),
        _gain("event_feedback.clicks_ndcg_gain", facts["clicks_ndcg_gain.with_feedback"]),
        _gain("event_feedback.organic_ndcg_gain", facts["ndcg_gain.with_feedback"]),
        Figure("event_feedback.position_bias_error", round(float(error), 4), "mean absolute error"),
    ]


def _gain(name: str, interval: Sequence[float]) -> Figure:
    value, low, high = interval
    return Figure(name, value, "NDCG", {"low": low, "high": high})


def _trained(data: Interactions, shown: ShownLists | None) -> tuple[float, RerankerTrainingResult]:
    """Return the processor seconds of a training of the rerankers on one thread, and what came of it."""
    started = time.process_time()
    found = train_rerankers(data, default_algorithms, _say, threads=1, shown=shown)
    return time.process_time() - started, found


def _say(stage: str, done: int, total: int) -> None:
    print(f"{done} of {total}: {stage}", file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.event_feedback", description=__doc__)
    say = parser.add_argument
    say("--products", type=int, default=400, help="of the shop")
    say("--customers", type=int, default=2_000, help="of the shop")
    say("--events", type=int, default=40_000, help="of the shop")
    say("--lists", type=int, default=8_000, help="that customers were shown")
    say("--seed", type=int, default=0, help="of everything by chance")
    return parser


if __name__ == "__main__":
    sys.exit(main())
