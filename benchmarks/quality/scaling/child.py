"""One algorithm in one data set, in a process: `python -m benchmarks.quality.scaling.child NAME PRODUCTS OUT`."""

import json
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.scaling.synthetic_data import synthetic_data
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.ranker_registry import rankers
from services.recommendation.evaluation.resources import peak_mb, reset_peak
from services.recommendation.holdout.histories import CustomerHistories
from services.recommendation.holdout.tasks import Protocol, Ranker, Task
from services.recommendation.holdout.topk import AlgorithmRanker

SHOPPERS = 256
ALONE = 50
"""Shoppers that are answered one by one, as a serving agent does."""
K = 20
MEGABYTE = 1e6


def main(name: str, n_products: str, out: str) -> None:
    """Measure and write what was found."""
    data = synthetic_data(int(n_products))
    Path(out).write_text(json.dumps(measured(name, data)))


def measured(name: str, data: Interactions) -> dict[str, Any]:
    """Return what one ranker costs in a data set: seconds, milliseconds, megabytes."""
    ranker = OfflineRanker() if name == OfflineRanker.name else rankers([name], threads=2)[0]
    reset_peak()
    data_mb = peak_mb()
    started = time.perf_counter()
    ranker.fit(Task(data, Protocol.TOP_N, Kind.PURCHASE, timed=True, exclude_seen=False))
    seconds = time.perf_counter() - started
    together, alone = _answering(ranker, data)
    return {
        "algorithm": name,
        "products": data.n_products,
        "customers": data.n_customers,
        "events": len(data.customers),
        "train_seconds": round(seconds, 3),
        "data_mb": round(data_mb, 1),
        "peak_mb": round(peak_mb(), 1),
        "artefact_mb": round(_artefact_bytes(ranker) / MEGABYTE, 2),
        "ms_per_user": round(together, 4),
        "ms_alone": round(alone, 3),
    }


def _answering(ranker: Ranker, data: Interactions) -> tuple[float, float]:
    """Return milliseconds a shopper, many together and one by one (the median)."""
    chosen = np.random.default_rng(1).choice(data.n_customers, SHOPPERS + ALONE, replace=False)
    histories = CustomerHistories(data, data.now)
    shoppers = [histories.shopper(int(customer)) for customer in chosen]
    nothing = np.empty(0, np.int32)
    started = time.perf_counter()
    ranker.top(shoppers[:SHOPPERS], [nothing] * SHOPPERS, K)
    together = 1000 * (time.perf_counter() - started) / SHOPPERS
    alone = []
    for shopper in shoppers[SHOPPERS:]:
        started = time.perf_counter()
        ranker.top([replace(shopper)], [nothing], K)
        alone.append(1000 * (time.perf_counter() - started))
    return together, float(np.median(alone))


def _artefact_bytes(ranker: Ranker) -> int:
    """Return the bytes of what was learned, before compression."""
    if isinstance(ranker, OfflineRanker):
        trees = getattr(ranker.hybrid, "trees", None)  # Fusion has none: there was too little to learn from
        held = sum(array.nbytes for array in trees.state().values()) if trees else 0
        return held + _bytes_of(ranker.model.algorithms.values())
    return _bytes_of([ranker.algorithm]) if isinstance(ranker, AlgorithmRanker) else 0


def _bytes_of(algorithms: Iterable[Algorithm]) -> int:
    return sum(array.nbytes for algorithm in algorithms for array in algorithm.state().values())


if __name__ == "__main__":
    main(*sys.argv[1:])
