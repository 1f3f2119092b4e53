"""Lists of a shop whose products earn what is known, logged by a policy that explores one place at most."""

from collections.abc import Callable
from itertools import chain

import numpy as np

from services.recommendation.off_policy.exploring import ExploringList, ReplayedList

PRODUCTS, PLACES = 8, 4
CLICKS = np.linspace(0.05, 0.6, PRODUCTS)
"""The probability that each product is clicked at the first place."""
DISCOUNT = 1.0 / np.arange(1, PLACES + 1)


def possible(policy: ExploringList) -> dict[tuple[int, ...], float]:
    """Return every list that a policy may show, with its probability."""
    base = policy.items.tolist()
    explored = {
        (*base[:place], int(item), *base[place + 1 :]): policy.per_place * chance
        for place in range(1, len(base))
        for item, chance in zip(policy.pool.tolist(), policy.chances.tolist(), strict=True)
    }
    return {tuple(base): policy.stays, **(explored if policy.per_place else {})}


def worth(policy: ExploringList) -> float:
    """Return what a policy earns on average."""
    return sum(chance * float(CLICKS[list(items)] @ DISCOUNT) for items, chance in possible(policy).items())


def logging_policy(rng: np.random.Generator, per_place: float) -> ExploringList:
    """Return what is logged for one shopper."""
    order = rng.permutation(PRODUCTS)
    chances = rng.dirichlet(np.full(PRODUCTS - PLACES, 20.0))
    return ExploringList(order[:PLACES], per_place, order[PLACES:], chances)


def logged(
    n: int, per_place: float, change: Callable[[ExploringList], ExploringList], seed: int = 5
) -> tuple[list[ReplayedList], float]:
    """Return logged lists, two of each customer, and what the changed policy earns on average."""
    rng = np.random.default_rng(seed)
    lists, total = [], 0.0
    for number in range(n):
        policy = logging_policy(rng, per_place)
        lists.append(_shown(policy, change(policy), number // 2, rng))
        total += worth(lists[-1].evaluation)
    return lists, total / n


def _shown(policy: ExploringList, changed: ExploringList, unit: int, rng: np.random.Generator) -> ReplayedList:
    lists, chances = zip(*possible(policy).items(), strict=True)
    shown = np.array(lists[rng.choice(len(lists), p=chances)])
    clicked = (rng.random(PLACES) < CLICKS[shown] * DISCOUNT).astype(np.float64)
    return ReplayedList(shown, policy.marginal(shown), clicked, unit, policy, changed)


def every_item(policy: ExploringList) -> list[int]:
    """Return what a policy may show anywhere."""
    return sorted(set(chain(policy.items.tolist(), policy.pool.tolist())))
