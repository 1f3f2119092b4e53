"""Compile all compiled loops, so that no training and no first answer waits for it.

What is compiled is kept on disk (see `shared.compiled`). It is compiled for the types of arrays that a training, a
model mapped from its file and a page really use, by doing all of that once with a small made-up shop. Run as
`python -m services.recommendation.compile_ahead`.
"""

import argparse
import io
import json
import sys
import time

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import as_csr
from services.recommendation.algorithms.interactions import DAY, Interactions, Kind
from services.recommendation.algorithms.registry import default_algorithms
from services.recommendation.models import bundle
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.container import Container, ContainerWriter, open_container
from services.recommendation.models.groups import GroupCodes
from services.recommendation.models.model import Model
from services.recommendation.models.storage import restored
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.warm_up import warm_up
from services.recommendation.training.fit import train
from services.recommendation.training.reranker_params import BoostingParams, RerankerParams
from services.recommendation.training.reranker_training import train_rerankers

CUSTOMERS, VISITS, PRODUCTS, DEPARTMENT = 300, 6, 240, 40
DEPARTMENTS = 4
"""The products beyond them are met by nobody. Their rows are alike, and rows that are alike are stored once."""
NOW = 1_700_000_000
SMALL = RerankerParams(depth=20, boosting=BoostingParams(rounds=5, min_leaf=20), most_splits=1)


def compile_ahead() -> float:
    """Compile all, or find it compiled, and return the seconds that took."""
    started = time.perf_counter()
    data = _made_up_shop()
    learned = train_rerankers(data, default_algorithms, _silent, threads=1, params=SMALL).learned
    fitted = train(data, default_algorithms(), threads=1)
    model = Model(fitted.algorithms, fitted.n_products, fitted.trained_at, fitted.metrics, learned)
    keys = np.arange(1, PRODUCTS + 1)
    labels = {"region": ("north", "south"), "age": ("young", "old")}
    unpacked = _unpacked(Bundle(model, keys, GroupCodes(labels)))
    warm_up(ServingState(_catalogue(data), bundle.bundle_of(unpacked), "made-up"))
    return time.perf_counter() - started


def _made_up_shop() -> Interactions:
    """Return customers who look at three products of a department in a row, each visit, and buy the next two."""
    rng = np.random.default_rng(0)
    n = CUSTOMERS * VISITS
    customers = np.repeat(np.arange(CUSTOMERS), VISITS)
    first = rng.integers(0, DEPARTMENT, n)
    steps = np.stack([customers % DEPARTMENTS * DEPARTMENT + (first + step) % DEPARTMENT for step in range(5)], axis=1)
    times = NOW - rng.integers(0, 100 * DAY, n)
    links = as_csr(sp.random_array((PRODUCTS, PRODUCTS), density=0.05, rng=rng))
    return Interactions.of(
        np.repeat(customers, 5),
        steps.ravel(),
        n_customers=CUSTOMERS,
        n_products=PRODUCTS,
        now=NOW,
        kinds=np.tile([Kind.VIEW] * 3 + [Kind.PURCHASE] * 2, n),
        times=(times[:, None] + 60 * np.arange(5)).ravel(),
        baskets=(2 * np.arange(n)[:, None] + [0, 0, 0, 1, 1]).ravel(),
        groups={name: rng.integers(0, 2, CUSTOMERS).astype(np.int32) for name in ("region", "age")},
        embeddings=rng.normal(size=(PRODUCTS, 16)).astype(np.float32),
        similar=links,
        complementary=links,
    )


def _unpacked(made: Bundle) -> Container:
    """Return what an agent gets of the model: its arrays as they are used, read-only."""
    packed, unpacked = open_container(bundle.dump(made)), io.BytesIO()
    writer = ContainerWriter(unpacked)
    for name, array in restored(packed.arrays):
        writer.add(name, array)
    writer.finish(packed.facts)
    return open_container(unpacked.getvalue())


def _catalogue(data: Interactions) -> Catalogue:
    empty = Catalogue.of_keys(np.arange(1, PRODUCTS + 1))
    return empty.with_embeddings("made-up", empty.keys, data.embeddings)


def _silent(stage: str, done: int, total: int) -> None:
    """Say nothing."""


def main() -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description="Compile all compiled loops of training and serving.")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    options = parser.parse_args()
    seconds = round(compile_ahead(), 1)
    print(json.dumps({"seconds": seconds}) if options.json else f"compiled in {seconds} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
