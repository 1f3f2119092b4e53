"""What learning from the response adds to an answer: bandit, exploration, assignment and log, beside answers without.

Two placements of the same page are asked for in turn, in pairs, one call at a time: one with a bandit of two variants
that cost the same, exploration and a running experiment, for shoppers whose lists are logged; one with nothing of it,
for shoppers whose lists are not. Every page is made anew.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from shutil import copyfile
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1 import event_pb2
from quintet.type.v1.experiment_pb2 import EXPERIMENT_METRIC_CLICK_THROUGH_RATE, Experiment, ExperimentArm
from quintet.type.v1.placement_pb2 import Bandit, Exploration, Placement, Reward, Variant
from quintet.type.v1.recommendation_pb2 import RecommendationContext

from benchmarks.learning.figures import Figure, printed
from benchmarks.movable_clock import movable_clock
from benchmarks.serving.shops import DATABASE
from benchmarks.simulation.campaign import FOLDER, Campaign
from benchmarks.simulation.run import QUIET
from benchmarks.simulation.shop import stand
from shared.consent import Consent
from shared.db import consents
from shared.db.customers import resolve_customers
from shared.db.engine import Database
from tests.support.cluster import Cluster, cluster_settings, coordinator_stub
from tests.support.waiting import wait_until

PAIRS, WARM_PAIRS, SEED = 4_000, 200, 1
RESAMPLES = 2_000
LIMIT = 10
SHOP_FACTS = "simulated, 720 customers, 1,316 products"
CALL_SECONDS = 10.0
WITH, WITHOUT = "learning", "plain"
ABOUT = __doc__.partition("\n\n")[2].replace("\n", " ").strip()

Milliseconds = NDArray[np.float64]


def measure(folder: Path, pairs: int, seed: int) -> dict[str, Milliseconds]:
    """Return how long each call of each placement took, both of shape (pairs,)."""
    campaign = Campaign(folder=folder)
    world = campaign.prepare(lambda words: print(words, file=sys.stderr))
    known = np.flatnonzero(world.registration_days < world.sizes.history_days).tolist()
    shoppers = [f"household-{each}" for each in known]
    logged, unlogged = shoppers[::2], shoppers[1::2]
    with tempfile.TemporaryDirectory(prefix="quintet-serving-") as name, movable_clock(Path(name)) as clock:
        stand(clock, world.sizes.history_days)
        url = f"sqlite:///{copyfile(campaign.database, Path(name) / DATABASE)}"
        _deny_measuring(url, unlogged)
        own = {"model_cache_dir": str(Path(name) / "models"), "keep_pages_seconds": 0, "exploration_seed": seed}
        cluster = Cluster(cluster_settings(url, **(QUIET | own)))
        try:
            cluster.start()
            with coordinator_stub(cluster.address) as stub:
                _set_up(stub)
                return _asked(stub, {WITH: logged, WITHOUT: unlogged}, pairs, np.random.default_rng(seed))
        finally:
            cluster.stop()


def ratio(took: dict[str, Milliseconds], percentile: float, seed: int) -> tuple[float, float, float]:
    """Return the ratio of a percentile with to without, and the ends of its 95 % interval by bootstrap of the pairs."""
    both = np.stack([took[WITH], took[WITHOUT]])
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, both.shape[1], (RESAMPLES, both.shape[1]))
    of_drawn = np.percentile(both[:, drawn], percentile, axis=2)
    low, high = np.quantile(of_drawn[0] / of_drawn[1], [0.025, 0.975])
    at = np.percentile(both, percentile, axis=1)
    return float(at[0] / at[1]), float(low), float(high)


def _deny_measuring(url: str, shoppers: Sequence[str]) -> None:
    with closing(Database(url)) as database, database.write() as connection:
        keys = resolve_customers(connection, shoppers).values()
        now = datetime.now(UTC)
        for key in keys:
            consents.store(connection, key, Consent(measure=False), now)


def _set_up(stub: Any) -> None:
    variants = (Variant(variant_id="as_it_is"), Variant(variant_id="different", diversity=0.3))
    home = event_pb2.PAGE_TYPE_HOME
    plain = Placement(placement_id=WITHOUT, page_type=home)
    learning = Placement(
        placement_id=WITH,
        page_type=home,
        bandit=Bandit(variants=variants, reward=Reward(click=1.0)),
        exploration=Exploration(share_of_places=0.02),
    )
    for each in (plain, learning):
        stub.CreatePlacement(pb.CreatePlacementRequest(placement=each), timeout=CALL_SECONDS)
    arms = [ExperimentArm(variant=Variant(variant_id=name)) for name in ("as_now", "as_now_too")]
    experiment = Experiment(
        experiment_id="running",
        placement_ids=[WITH],
        arms=arms,
        primary_metric=EXPERIMENT_METRIC_CLICK_THROUGH_RATE,
        minimum_effect=0.1,
    )
    stub.CreateExperiment(pb.CreateExperimentRequest(experiment=experiment), timeout=CALL_SECONDS)
    # Who answers reads placements and experiments anew every few seconds.
    wait_until(lambda: _is_in_force(stub))


def _is_in_force(stub: Any) -> bool:
    asked = [pb.GetRecommendationsRequest(customer_id="household-0", placement_id=name) for name in (WITHOUT, WITH)]
    try:
        answers = [stub.GetRecommendations(request, timeout=CALL_SECONDS).list for request in asked]
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return False
    return bool(answers[1].variant_id and answers[1].assignments)


def _asked(stub: Any, shoppers: dict[str, list[str]], pairs: int, rng: np.random.Generator) -> dict[str, Milliseconds]:
    """Ask for both placements in pairs, which one first by chance, after some pairs to warm up."""
    took: dict[str, list[float]] = {name: [] for name in shoppers}
    for number in range(-WARM_PAIRS, pairs):
        for name in rng.permutation(sorted(shoppers)).tolist():
            request = pb.GetRecommendationsRequest(
                customer_id=str(rng.choice(shoppers[name])),
                context=RecommendationContext(),
                limit=LIMIT,
                placement_id=name,
            )
            began = time.perf_counter()
            answer = stub.GetRecommendations(request, timeout=CALL_SECONDS).list
            if number >= 0:
                took[name].append((time.perf_counter() - began) * 1_000)
            if answer.fallbacks:
                raise RuntimeError(f"{name} fell back: {list(answer.fallbacks)}")
            if (name == WITH) != bool(answer.variant_id and answer.assignments):
                raise RuntimeError(f"{name} was answered with variant {answer.variant_id!r}")
    return {name: np.array(each) for name, each in took.items()}


def figures(took: dict[str, Milliseconds], seed: int) -> list[Figure]:
    """Return the ratios, and the milliseconds that they are of."""
    found = []
    for percentile in (50, 99):
        value, low, high = ratio(took, percentile, seed)
        ends = {"low": round(low, 4), "high": round(high, 4)}
        found.append(Figure(f"serving.p{percentile}_ratio", round(value, 4), "ratio", ends))
    for name in (WITH, WITHOUT):
        for percentile in (50, 99):
            at = round(float(np.percentile(took[name], percentile)), 3)
            found.append(Figure(f"serving.{name}_p{percentile}_ms", at, "ms"))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.serving", description=ABOUT)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs of calls (default %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the shoppers (default %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the shop is kept (default %(default)s)")
    given = parser.parse_args(arguments)
    took = measure(given.folder, given.pairs, given.seed)
    print(
        printed(figures(took, given.seed), ABOUT, pairs=given.pairs, seed=given.seed, shop="simulated, 1,316 products")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
