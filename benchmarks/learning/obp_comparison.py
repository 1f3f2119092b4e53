"""Our off-policy estimators beside those of the Open Bandit Pipeline, on the small sample of the Open Bandit Dataset.

`python -m benchmarks.learning.obp_comparison` prints the figures. Both read the same arrays. obp runs in an environment
of its own below `.build/`, which the first run makes. The sample does not say which rows were one list, so that slates
are formed from the rows of the three places in the order of time. Propensities count as independent between places.

Source: Saito et al., "Open Bandit Dataset and Pipeline", NeurIPS 2021 Datasets and Benchmarks, arXiv:2008.07146
"""

import csv
import gzip
import os
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from benchmarks.learning.figures import Figure, printed
from benchmarks.machine import DATA, DEFAULT_DATA, ROOT
from services.recommendation.algorithms.arrays import Longs
from services.recommendation.off_policy import single_action, slates
from services.recommendation.off_policy.log import ActionLog
from services.recommendation.off_policy.reward_models import predict_by_context

Floats: TypeAlias = NDArray[np.float64]
Arrays: TypeAlias = dict[str, Any]

FOLDER = "open_bandit_sample"
CAMPAIGNS = ("all", "men", "women")
DIRECTIONS = (("random", "bts"), ("bts", "random"))
N_PLACES = 3
THRESHOLD = 2.0
"""Largest weight that Switch-DR corrects by; some weights are below and some above it in both directions."""

ENVIRONMENT = ROOT / ".build" / "obp"
HERE = Path(__file__).parent
REQUIREMENTS = HERE / "obp_requirements.txt"


ABOUT = """Both read the same rows of the small sample of the Open Bandit Dataset, campaigns *all*, *men* and *women*,
from the random policy to Bernoulli Thompson sampling and back. `ope.obp_difference` is the largest absolute difference
between an estimate of ours and that of obp 0.4.1, over all estimators."""


def obp_difference() -> dict[str, float]:
    """Return the largest absolute difference over estimators, campaigns and directions, and that of each estimator."""
    interpreter = environment()
    largest: dict[str, float] = {}
    for campaign, (logged, evaluated) in product(CAMPAIGNS, DIRECTIONS):
        arrays = read_log(campaign, logged) | {"evaluation": evaluated, "threshold": THRESHOLD}
        theirs = by_obp(interpreter, arrays, f"{campaign}-{logged}-{evaluated}")
        ours = by_quintet(arrays, theirs.pop("policy"))
        for name, value in theirs.items():
            largest[name] = max(largest.get(name, 0.0), abs(ours[name] - float(value)))
    figures = {f"ope.obp_difference_{name}": value for name, value in largest.items()}
    return {"ope.obp_difference": max(largest.values())} | figures


def environment() -> Path:
    """Return the interpreter of an environment with obp and what it needs at pinned versions; make it if missing."""
    interpreter, done = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "requirements.txt"
    wanted = REQUIREMENTS.read_text()
    if not done.exists() or done.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], check=True)
        install = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
            "-r",
            str(REQUIREMENTS),
        ]
        subprocess.run([str(interpreter), *install], check=True, stdout=sys.stderr)
        done.write_text(wanted)
    return interpreter


def read_log(campaign: str, policy: str) -> Arrays:
    """Return the impressions of a campaign under a policy in the order of time, and slates of three of their rows."""
    with gzip.open(_file(policy, campaign), "rt") as lines:
        rows = sorted(csv.DictReader(lines), key=lambda row: row["timestamp"])
    places = np.array([int(row["position"]) - 1 for row in rows])
    log = {
        "campaign": campaign,
        "actions": np.array([int(row["item_id"]) for row in rows]),
        "places": places,
        "rewards": np.array([float(row["click"]) for row in rows]),
        "propensities": np.array([float(row["propensity_score"]) for row in rows]),
        "n_actions": _n_actions(campaign),
        "n_places": N_PLACES,
        "slates": slates_of(places),
    }
    return log | {"predictions": predictions_of(log)}


def slates_of(places: Longs) -> Longs:
    """Return the rows of each slate, shape (n, 3): the first rows of the three places, the second ones, and so on."""
    by_place = [np.flatnonzero(places == place) for place in range(N_PLACES)]
    n = min(map(len, by_place))
    return np.stack([rows[:n] for rows in by_place], axis=1)


def predictions_of(log: Arrays) -> Floats:
    """Return our reward model's prediction by row, action and place, shape (n, n_actions, 3)."""
    n = len(log["actions"])
    decisions = ActionLog(log["actions"], log["propensities"], log["rewards"], np.arange(n))
    predicted = predict_by_context(decisions, log["places"], log["n_actions"])
    return np.repeat(predicted[:, :, None], N_PLACES, axis=2) * (1.0 - 0.1 * np.arange(N_PLACES))


def by_obp(interpreter: Path, arrays: Arrays, name: str) -> Arrays:
    """Return obp's estimates by name, and under `policy` the evaluation policy's probabilities by action and place."""
    given, found = ENVIRONMENT / f"{name}-log.npz", ENVIRONMENT / f"{name}-estimates.npz"
    np.savez(given, **arrays)
    subprocess.run([str(interpreter), "-W", "ignore", str(HERE / "obp_runner.py"), str(given), str(found)], check=True)
    with np.load(found) as estimates:
        return dict(estimates)


def by_quintet(arrays: Arrays, policy: Floats) -> dict[str, float]:
    """Return our estimates by name, for the policy's probabilities of shape (n_actions, 3)."""
    actions, places, rewards = arrays["actions"], arrays["places"], arrays["rewards"]
    weights = policy[actions, places] / arrays["propensities"]
    at_place = np.take_along_axis(arrays["predictions"], places[:, None, None], axis=2)[:, :, 0]
    expected, predicted = (policy.T[places] * at_place).sum(axis=1), at_place[np.arange(len(actions)), actions]
    model = weights, rewards, expected, predicted
    rows = arrays["slates"]
    lists = weights[rows], rewards[rows]
    found = {
        "ips": single_action.inverse_propensity(weights, rewards),
        "snips": single_action.self_normalised(weights, rewards),
        "dm": single_action.direct_method(expected),
        "dr": single_action.doubly_robust(*model),
        "sndr": single_action.self_normalised_doubly_robust(*model),
        "switch_dr": single_action.switch_doubly_robust(*model, arrays["threshold"]),
        "whole_slate": slates.whole_slate(*lists),
        "independent": slates.independent(*lists),
        "reward_interaction": slates.reward_interaction(*lists),
    }
    return {name: ratios.value for name, ratios in found.items()}


def _n_actions(campaign: str) -> int:
    with gzip.open(_file("item_context", campaign), "rt") as lines:
        return sum(1 for _ in csv.DictReader(lines))


def _file(kind: str, campaign: str) -> Path:
    file = Path(os.environ.get(DATA, DEFAULT_DATA)) / FOLDER / f"{kind}_{campaign}.csv.gz"
    if not file.exists():
        raise SystemExit(f"{file} is missing: {DATA} must name the folder with {FOLDER}")
    return file


def main() -> int:
    """Print the figures and return the exit code."""
    print(printed([Figure(name, value, "reward") for name, value in obp_difference().items()], ABOUT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
