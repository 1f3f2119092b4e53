"""How often the intervals of off-policy estimates hold the true value, over repeated logs of a shop where it is known.

`python -m benchmarks.learning.off_policy` prints the figures as JSON; `--repeats 100` makes it quick.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np

from benchmarks.learning.figures import Figure, printed
from benchmarks.learning.off_policy_shop import ActionWorld, ExploringShop, SlateWorld, VariantShop
from benchmarks.learning.simulated_shop import PREFIX, SimulatedShop
from benchmarks.simulation.campaign import FOLDER, Campaign
from services.recommendation.algorithms.arrays import Longs
from services.recommendation.off_policy.evaluate import (
    NEEDED,
    ActionMethod,
    ActionPolicy,
    SlateMethod,
    SlatePolicy,
    action_ratios,
    action_weights,
    slate_ratios,
    slate_weights,
    used_weights,
)
from services.recommendation.off_policy.intervals import uncertainties
from services.recommendation.off_policy.overlap import InsufficientOverlap, Overlap, action_overlap, slate_overlap
from services.recommendation.off_policy.ratios import Ratios
from services.recommendation.off_policy.reward_models import predict_below, predict_rewards
from services.recommendation.off_policy.slates import cascade_weights
from shared.config import usable_cores

REPEATS = 1000
CUSTOMERS = 1000
PROMISED = 0.95
SEED = 1
CHUNK = 5

DEFAULT_METHOD = ActionMethod.DOUBLY_ROBUST
"""The estimator by which configurations that fill whole lists are judged; its coverage is the figure."""

Key: TypeAlias = tuple[str, str]
"""Method and policy."""


@dataclass(frozen=True)
class Judged:
    """An estimator of a log, by method and policy."""

    key: Key
    ratios: Ratios
    overlap: Overlap


ABOUT = """Logs of a made-up shop whose truth is known: customers with several lists each, an exploring policy and
heavy-tailed revenue; and of the simulated shop (policies `simulated_…`), whose households meet one of six variants of
a list. `ope.coverage` is how often the 95 % interval of the default estimator held the truth, for the policy that is
worst off; the other figures are by estimator and policy. Bias, error and width are shares of the true value."""


@dataclass(frozen=True)
class Found:
    """What one log gave for a method and a policy, and whether the product would have refused to say it."""

    key: Key
    value: float
    low: float
    high: float
    refused: bool


def coverage(
    actions: ActionWorld | None = None,
    lists: SlateWorld | None = None,
    simulated: ActionWorld | None = None,
    *,
    repeats: int = REPEATS,
    customers: int = CUSTOMERS,
    processes: int | None = None,
) -> dict[str, float]:
    """Return how often 95 % intervals held the truth, by method and policy, with bias and width in true values.

    `ope.coverage` is that of the default estimator for the policy that is worst off, in whichever shop;
    `ope.coverage_simulated` the same in the `simulated` one, if there is one.
    """
    variants, places = actions or VariantShop(), lists or ExploringShop()
    shops = [
        (partial(judge_actions, variants), variants.true_value),
        (partial(judge_slates, places), places.true_value),
    ]
    if simulated is not None:
        shops.append((partial(judge_actions, simulated), simulated.true_value))
    figures: dict[str, float] = {}
    with ProcessPoolExecutor(processes or usable_cores()) as pool:
        for judge, true_value in shops:
            logs = pool.map(partial(judge, customers), range(repeats), chunksize=CHUNK)
            figures |= summary((each for log in logs for each in log), true_value)
    worst = _worst(figures, "")
    said = {"ope.coverage": worst, "ope.coverage_error": abs(worst - PROMISED)}
    if simulated is not None:
        said["ope.coverage_simulated"] = _worst(figures, PREFIX)
    return said | figures


def _worst(figures: Mapping[str, float], prefix: str) -> float:
    """Return the coverage of the default estimator that is farthest from what is promised, of policies named so."""
    start = f"ope.coverage_of.{DEFAULT_METHOD}.{prefix}"
    of_default = [value for name, value in figures.items() if name.startswith(start)]
    return max(of_default, key=lambda share: abs(share - PROMISED))


def judge_actions(world: ActionWorld, customers: int, repeat: int) -> list[Found]:
    """Return the estimates of all policies on the log of a repeat, by each estimator of single actions."""
    sample = world.sample_log(np.random.default_rng([SEED, repeat]), customers)
    n_actions = next(iter(sample.policies.values())).shape[1]
    predictions = predict_rewards(sample.log, sample.features, n_actions, seed=repeat)
    judged = []
    for name, probabilities in sample.policies.items():
        policy = ActionPolicy(probabilities, predictions)
        weights = action_weights(sample.log, policy)
        overlap = action_overlap(sample.log, probabilities, weights)
        judged += [Judged((of, name), action_ratios(sample.log, policy, weights, of), overlap) for of in ActionMethod]
    return with_intervals(judged, sample.log.units, repeat)


def judge_slates(world: SlateWorld, customers: int, repeat: int) -> list[Found]:
    """Return the estimates of all policies on the log of a repeat, by each estimator of lists."""
    sample = world.sample_log(np.random.default_rng([SEED, repeat]), customers)
    judged = []
    for name, probabilities in sample.policies.items():
        weights = slate_weights(sample.log, SlatePolicy(probabilities))
        model = predict_below(sample.log, sample.buckets, sample.shares[name], cascade_weights(weights), seed=repeat)
        policy = SlatePolicy(probabilities, *model, support=1.0)
        for method in SlateMethod:
            overlap = slate_overlap(sample.log, used_weights(weights, method), policy.support)
            judged.append(Judged((method, name), slate_ratios(sample.log, policy, weights, method), overlap))
    return with_intervals(judged, sample.log.units, repeat)


def with_intervals(judged: Sequence[Judged], units: Longs, seed: int) -> list[Found]:
    """Return the estimates with their intervals, all by the same resamples, and none where overlap is missing."""
    sure = uncertainties([each.ratios for each in judged], units, seed=seed)
    return [
        Found(each.key, each.ratios.value, interval.low, interval.high, _refused(each.overlap))
        for each, interval in zip(judged, sure, strict=True)
    ]


def summary(found: Iterable[Found], true_value: Callable[[str], float]) -> dict[str, float]:
    """Return the figures of each method and policy; bias, error and width are shares of the true value."""
    by_key = defaultdict(list)
    for each in found:
        by_key[each.key].append(each)
    figures: dict[str, float] = {}
    for (method, policy), logs in by_key.items():
        figures |= {f"ope.{name}.{method}.{policy}": value for name, value in _of_one(logs, true_value(policy)).items()}
    return figures


def _of_one(logs: Sequence[Found], truth: float) -> dict[str, float]:
    told = [each for each in logs if not each.refused]
    refused = {"refused": 1.0 - len(told) / len(logs)}
    if not told:
        return refused
    errors = np.array([each.value for each in told]) / truth - 1.0
    return refused | {
        "coverage_of": float(np.mean([each.low <= truth <= each.high for each in told])),
        "bias": float(errors.mean()),
        "error": float(np.sqrt((errors**2).mean())),
        "width": float(np.median([each.high - each.low for each in told]) / truth),
    }


def _refused(overlap: Overlap) -> bool:
    try:
        overlap.require(NEEDED)
    except InsufficientOverlap:
        return True
    return False


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.off_policy", description=__doc__)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="number of logs (default %(default)s)")
    parser.add_argument("--customers", type=int, default=CUSTOMERS, help="customers a log (default %(default)s)")
    parser.add_argument("--processes", type=int, help="default: the usable cores")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the simulated shop (default %(default)s)")
    given = parser.parse_args(arguments)
    sizes = {"repeats": given.repeats, "customers": given.customers}
    simulated = SimulatedShop.of(Campaign(folder=given.folder).world())
    found = coverage(simulated=simulated, processes=given.processes, **sizes)
    print(printed([Figure(name, value, "share") for name, value in found.items()], ABOUT, seed=SEED, **sizes))
    return 0


if __name__ == "__main__":
    sys.exit(main())
