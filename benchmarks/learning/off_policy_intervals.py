"""Which intervals hold the true value: that of the product beside others, for doubly robust estimates.

`python -m benchmarks.learning.off_policy_intervals --customers 300` prints coverage and median width by method and
policy. The product has the bootstrap-t with a floor; docs/off-policy.md says why.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import f as f_distribution
from scipy.stats import norm

from benchmarks.learning.off_policy import CHUNK, SEED
from benchmarks.learning.off_policy_shop import VariantShop
from services.recommendation.off_policy.evaluate import ActionMethod, ActionPolicy, action_ratios, action_weights
from services.recommendation.off_policy.intervals import uncertainty
from services.recommendation.off_policy.ratios import Ratios, gradient, value_of
from services.recommendation.off_policy.reward_models import predict_rewards
from shared.config import usable_cores

Floats: TypeAlias = NDArray[np.float64]
Interval: TypeAlias = tuple[float, float]

LEVEL = 0.95
RESAMPLES = 999


def intervals_of(ratios: Ratios, units: NDArray[np.int64], seed: int) -> dict[str, Interval]:
    """Return the interval of each method for one estimator."""
    totals = ratios.totals(units)
    values = ratios.value + totals @ gradient(totals.mean(axis=0))
    drawn = resampled(totals, seed)
    product = uncertainty(ratios, units, seed=seed)
    return {
        "normal": normal(values),
        "percentile bootstrap": _ends(np.quantile(drawn[0], [0.025, 0.975])),
        "empirical likelihood": empirical_likelihood(values),
        "empirical Bernstein": empirical_bernstein(values),
        "bootstrap-t": bootstrap_t(ratios.value, product.standard_error, *drawn),
        "bootstrap-t with a floor": (product.low, product.high),
    }


def normal(values: Floats) -> Interval:
    """Return the interval of the mean of units' values, shape (m,), by the normal distribution."""
    half = norm.ppf(0.5 + LEVEL / 2) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def empirical_bernstein(values: Floats) -> Interval:
    """Return the empirical Bernstein bound, with the range that the values have in place of one that is known.

    Source: Maurer & Pontil, "Empirical Bernstein Bounds and Sample Variance Penalization", COLT 2009, arXiv:0907.3740
    """
    n, confidence = len(values), np.log(4.0 / (1.0 - LEVEL))
    half = np.sqrt(2.0 * values.var(ddof=1) * confidence / n) + 7.0 * np.ptp(values) * confidence / (3.0 * (n - 1))
    return float(values.mean() - half), float(values.mean() + half)


def empirical_likelihood(values: Floats) -> Interval:
    """Return the means whose empirical likelihood ratio is not too small, by the quantile of an F distribution.

    Source: Owen, "Empirical Likelihood Ratio Confidence Intervals for a Single Functional", Biometrika 1988,
    doi:10.1093/biomet/75.2.237
    """
    limit, mean = f_distribution.ppf(LEVEL, 1, len(values) - 1), values.mean()

    def excess(guess: float) -> float:
        return _log_likelihood_ratio(values - guess) - limit

    inside = 1e-9 * np.ptp(values)
    return (
        float(brentq(excess, values.min() + inside, mean)),
        float(brentq(excess, mean, values.max() - inside)),
    )


def _log_likelihood_ratio(distances: Floats) -> float:
    """Return -2 log of the ratio, for distances from a mean strictly between the smallest and the largest."""
    low, high = -1.0 / distances.max(), -1.0 / distances.min()
    margin = 1e-9 * (high - low)

    def slope(multiplier: float) -> float:
        return float((distances / (1.0 + multiplier * distances)).sum())

    found = brentq(slope, low + margin, high - margin)
    return float(2.0 * np.log1p(found * distances).sum())


def bootstrap_t(value: float, error: float, values: Floats, errors: Floats) -> Interval:
    """Return the bootstrap-t interval as the textbook has it."""
    low, high = np.quantile((values - value) / errors, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(value - high * error), float(value - low * error)


def resampled(totals: Floats, seed: int) -> tuple[Floats, Floats]:
    """Return estimates and standard errors of resamples, one after the other."""
    rng, m = np.random.default_rng(seed), len(totals)
    found = []
    for _ in range(RESAMPLES):
        drawn = totals[rng.integers(0, m, m)]
        linear = drawn @ gradient(drawn.mean(axis=0))
        found.append((value_of(*np.split(drawn.mean(axis=0), 2)), np.sqrt((linear**2).mean() / (m - 1))))
    values, errors = np.array(found, float).T
    return values, errors


def judge(shop: VariantShop, customers: int, repeat: int) -> list[tuple[str, str, bool, float]]:
    """Return method, policy, whether the interval held the truth and its width in true values, on one log."""
    sample = shop.sample_log(np.random.default_rng([SEED, repeat]), customers)
    predictions = predict_rewards(sample.log, sample.features, shop.n_actions, seed=repeat)
    found = []
    for name, probabilities in sample.policies.items():
        policy, truth = ActionPolicy(probabilities, predictions), shop.true_value(name)
        weights = action_weights(sample.log, policy)
        ratios = action_ratios(sample.log, policy, weights, ActionMethod.DOUBLY_ROBUST)
        for method, (low, high) in intervals_of(ratios, sample.log.units, repeat).items():
            found.append((method, name, low <= truth <= high, (high - low) / truth))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print coverage and width as JSON and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.off_policy_intervals", description=__doc__)
    parser.add_argument("--repeats", type=int, default=500, help="number of logs (default %(default)s)")
    parser.add_argument("--customers", type=int, default=1000, help="customers a log (default %(default)s)")
    parser.add_argument("--processes", type=int, default=usable_cores(), help="default: the usable cores")
    given = parser.parse_args(arguments)
    shop, rows = VariantShop(), defaultdict(list)
    shop.true_value("logging")  # kept with the shop, so that processes need not find it again
    with ProcessPoolExecutor(given.processes) as pool:
        for log in pool.map(partial(judge, shop, given.customers), range(given.repeats), chunksize=CHUNK):
            for method, policy, held, width in log:
                rows[f"{method}, {policy}"].append((held, width))
    shares = {name: np.array(each, float) for name, each in rows.items()}
    print(json.dumps({name: [each[:, 0].mean(), np.median(each[:, 1])] for name, each in shares.items()}, indent=1))
    return 0


def _ends(pair: Floats) -> Interval:
    return float(pair[0]), float(pair[1])


if __name__ == "__main__":
    sys.exit(main())
