"""Estimates by the Open Bandit Pipeline; run by its own interpreter: `python obp_runner.py ARRAYS.npz ESTIMATES.npz`.

It imports nothing of Quintet, so that the two share no code.
"""

import sys
import types
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

SEED = 12345
SIMULATIONS = 100_000


def main(arrays: str, estimates: str) -> None:
    """Read the log, estimate what the evaluation policy would have earned, and write that and the policy."""
    _stand_in_for_torch()
    given = dict(np.load(arrays))
    policy = _policy(str(given["evaluation"]), str(given["campaign"]), int(given["n_actions"]), int(given["n_places"]))
    found: dict[str, Any] = _single(given, policy) | _slates(given, policy) | {"policy": policy}
    np.savez(estimates, **found)


def _stand_in_for_torch() -> None:
    """Let obp's estimators be imported without torch, which they name in annotations only, and without its plots.

    The two packages are entered in `sys.modules` without running their `__init__`, which would import everything.
    """
    torch: Any = types.ModuleType("torch")
    torch.Tensor = type("Tensor", (), {})
    sys.modules["torch"] = torch
    for name in ("obp.ope", "obp.policy"):
        package = types.ModuleType(name)
        found = find_spec("obp")
        if found is None or found.origin is None:
            raise SystemExit("obp is not installed")
        package.__path__ = [str(Path(found.origin).parent / name.rpartition(".")[2])]
        sys.modules[name] = package


def _policy(name: str, campaign: str, n_actions: int, n_places: int) -> Any:
    """Return the probabilities of an evaluation policy by action and place, shape (n_actions, n_places)."""
    policies = import_module("obp.policy.contextfree")
    if name == "random":
        policy = policies.Random(n_actions=n_actions, len_list=n_places)
        return policy.compute_batch_action_dist(n_rounds=1)[0]
    policy = policies.BernoulliTS(
        n_actions=n_actions, len_list=n_places, is_zozotown_prior=True, campaign=campaign, random_state=SEED
    )
    return policy.compute_batch_action_dist(n_rounds=1, n_sim=SIMULATIONS)[0]


def _single(given: dict[str, Any], policy: Any) -> dict[str, float]:
    ope = import_module("obp.ope.estimators")
    n = len(given["actions"])
    log = {
        "reward": given["rewards"],
        "action": given["actions"],
        "position": given["places"],
        "pscore": given["propensities"],
        "action_dist": np.tile(policy, (n, 1, 1)),
    }
    predictions = {"estimated_rewards_by_reg_model": given["predictions"]}
    model_log = {name: log[name] for name in ("action_dist", "position")}
    return {
        "ips": ope.InverseProbabilityWeighting().estimate_policy_value(**log),
        "snips": ope.SelfNormalizedInverseProbabilityWeighting().estimate_policy_value(**log),
        "dm": ope.DirectMethod().estimate_policy_value(**model_log, **predictions),
        "dr": ope.DoublyRobust().estimate_policy_value(**log, **predictions),
        "sndr": ope.SelfNormalizedDoublyRobust().estimate_policy_value(**log, **predictions),
        "switch_dr": ope.SwitchDoublyRobust(tau=float(given["threshold"])).estimate_policy_value(**log, **predictions),
    }


def _slates(given: dict[str, Any], policy: Any) -> dict[str, float]:
    ope = import_module("obp.ope.estimators_slate")
    rows = given["slates"]
    logged, asked = given["propensities"][rows], policy[given["actions"][rows], given["places"][rows]]
    n, k = rows.shape
    log = {
        "slate_id": np.repeat(np.arange(n), k),
        "position": np.tile(np.arange(k), n),
        "reward": given["rewards"][rows].ravel(),
    }

    def whole(shares: Any) -> Any:
        return np.repeat(shares.prod(axis=1), k)

    def cascade(shares: Any) -> Any:
        return shares.cumprod(axis=1).ravel()

    return {
        "whole_slate": ope.SlateStandardIPS(len_list=k).estimate_policy_value(
            **log, pscore=whole(logged), evaluation_policy_pscore=whole(asked)
        ),
        "independent": ope.SlateIndependentIPS(len_list=k).estimate_policy_value(
            **log, pscore_item_position=logged.ravel(), evaluation_policy_pscore_item_position=asked.ravel()
        ),
        "reward_interaction": ope.SlateRewardInteractionIPS(len_list=k).estimate_policy_value(
            **log, pscore_cascade=cascade(logged), evaluation_policy_pscore_cascade=cascade(asked)
        ),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
