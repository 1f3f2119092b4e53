"""What the runs say: lifts by paired seeds with intervals, and how soon the loop is back after the drift."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from benchmarks.simulation.source import Floats

Runs = Sequence[Mapping[str, Any]]

CONFIDENCE = 0.95
RESAMPLES = 10_000
SMOOTH_DAYS = 3
LEVEL_DAYS = 10
"""Days before the drift whose mean is the level before."""
BACK = 0.95
"""Share of the level before that counts as back."""


class Estimate(NamedTuple):
    """A value with its 95 % interval: Student's t over the seeds, and by bootstrap of the seeds."""

    value: float
    low: float
    high: float
    bootstrap_low: float
    bootstrap_high: float


def table(runs: Runs, policy: str, column: str) -> Floats:
    """Return a figure of a policy by seed and day, shape (seeds, days); seeds ascend."""
    own = sorted((run for run in runs if run["policy"] == policy), key=lambda run: int(run["seed"]))
    return np.array([[day[column] for day in run["days"]] for run in own], np.float64)


def per_session(runs: Runs, policy: str, column: str, days: slice) -> Floats:
    """Return a figure a session over some days, by seed, shape (seeds,)."""
    sessions = table(runs, policy, "sessions")[:, days].sum(axis=1)
    return np.asarray(table(runs, policy, column)[:, days].sum(axis=1) / sessions)


def lift(runs: Runs, policy: str, versus: str, column: str, days: slice) -> Estimate:
    """Return by which share a figure a session of one policy is above another's: paired by seed.

    Both policies meet the same sessions of a seed with the same needs and draws.
    """
    return estimate(per_session(runs, policy, column, days) / per_session(runs, versus, column, days) - 1.0)


def estimate(values: Floats) -> Estimate:
    """Return the mean of values of independent seeds with its intervals; the whole line with fewer than two."""
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, *([float("-inf"), float("inf")] * 2))
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)))
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Estimate(mean, mean - half, mean + half, float(low), float(high))


def levels(runs: Runs, policy: str, yardstick: str) -> Floats:
    """Return what a policy's recommendations bring each day as a share of what the yardstick's bring, over all seeds.

    The expected gain of a day, summed over the seeds before it is divided: shape (days,).
    """
    gain = table(runs, policy, "expected_gain")
    best = table(runs, yardstick, "expected_gain")
    return np.asarray(gain.sum(axis=0) / best.sum(axis=0))


def recovery_days(level: Floats, drift_day: int) -> float | None:
    """Return after how many days the level is back.

    The level before is the mean of the `LEVEL_DAYS` days before the drift. It is back on day n after the drift when the
    mean of the `SMOOTH_DAYS` days up to it is at least `BACK` of the level before; none of these days lies before the
    drift, so n is at least `SMOOTH_DAYS`, unless every day up to then was above: then it never fell, which is 0. None
    says that it was not back within the run.
    """
    wanted = BACK * float(level[max(0, drift_day - LEVEL_DAYS) : drift_day].mean())
    after = level[drift_day:]
    if (after[:SMOOTH_DAYS] >= wanted).all():
        return 0.0
    smoothed = np.convolve(after, np.full(SMOOTH_DAYS, 1.0 / SMOOTH_DAYS), "valid")
    back = np.flatnonzero(smoothed >= wanted)
    return float(back[0] + SMOOTH_DAYS) if len(back) else None


def recovery(runs: Runs, policy: str, yardstick: str, drift_day: int) -> dict[str, float | None]:
    """Return the days of recovery, their interval by bootstrap of the seeds, and how far the level fell.

    Where more than a fortieth of the resamples are not back within the run, the upper end is None.
    """
    seeds = sorted({int(run["seed"]) for run in runs if run["policy"] == policy})
    gain, best = (table(runs, each, "expected_gain") for each in (policy, yardstick))
    rng = np.random.default_rng(0)
    resampled = []
    for _ in range(RESAMPLES // 10):
        rows = rng.integers(0, len(seeds), len(seeds))
        resampled.append(recovery_days(gain[rows].sum(axis=0) / best[rows].sum(axis=0), drift_day))
    days = np.array([np.inf if each is None else each for each in resampled])
    low, high = np.quantile(days, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], method="higher")
    level = levels(runs, policy, yardstick)
    return {
        "days": recovery_days(level, drift_day),
        "low": float(low) if np.isfinite(low) else None,
        "high": float(high) if np.isfinite(high) else None,
        "level_before": float(level[max(0, drift_day - LEVEL_DAYS) : drift_day].mean()),
        "level_lowest": float(min(level[drift_day : drift_day + SMOOTH_DAYS])),
        "level_end": float(level[-SMOOTH_DAYS:].mean()),
    }


def by_day(runs: Runs, policy: str, above: str, below: str) -> tuple[Floats, Floats]:
    """Return a rate by day over all seeds, and half of its 95 % interval by t over the seeds; shapes (days,)."""
    ratios = table(runs, policy, above) / np.maximum(table(runs, policy, below), 1e-9)
    seeds = len(ratios)
    if seeds < 2:
        return ratios.mean(axis=0), np.zeros(ratios.shape[1])
    quantile = stats.t.ppf((1 + CONFIDENCE) / 2, seeds - 1)
    return ratios.mean(axis=0), np.asarray(quantile * ratios.std(axis=0, ddof=1) / np.sqrt(seeds))
