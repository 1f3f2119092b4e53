"""Is the model better than best-sellers? Recall of what customers newly bought in the last days, held out.

The hybrid and popularity are trained on everything before, and asked for the customers who came back.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask, Rows
from services.recommendation.algorithms.base import Shopper
from services.recommendation.algorithms.fusion import fuse
from services.recommendation.algorithms.interactions import DAY, Interactions, Kind
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.registry import BY_NAME
from services.recommendation.model import Model, Progress, train
from services.recommendation.scorers import salience_of
from shared.algorithms import DEFAULT_WEIGHTS

HOLDOUT_DAYS = 7
LIST = 20
MOST_SHOPPERS = 500
FEWEST_SHOPPERS = 20
EASE_PRODUCTS = 2000
"""Products of EASE in the evaluation: its time grows with their cube."""


@dataclass(frozen=True, eq=False)
class Question:
    """A shopper as known before the held-out days, and what they then bought for the first time."""

    shopper: Shopper
    target: Rows


def evaluate(data: Interactions, progress: Progress | None = None, *, threads: int = 2) -> dict[str, Any]:
    """Return recall at 20 of the hybrid with the weights at the start and of popularity, with what it was asked on.

    Empty when fewer than 20 customers came back in the last 7 days and bought something new.
    """
    cutoff = data.now - HOLDOUT_DAYS * DAY
    asked = questions(data, cutoff)
    if len(asked) < FEWEST_SHOPPERS:
        return {}
    names = [name for name, weight in DEFAULT_WEIGHTS.items() if weight > 0 and name in BY_NAME]
    algorithms = [BY_NAME[name](**({"max_products": EASE_PRODUCTS} if name == "ease" else {})) for name in names]
    before = replace(data.where(data.times < cutoff), now=cutoff)
    model = train(before, [*algorithms, BY_NAME["popular"]()], progress, threads=threads)
    popular = model.algorithms["popular"]
    salience = salience_of(popular if isinstance(popular, Popular) else None, data.n_products)
    return {
        "holdout_days": HOLDOUT_DAYS,
        "shoppers": len(asked),
        "recall_at_20.hybrid": recall(asked, lambda shopper: _hybrid(model, shopper, names, salience)),
        "recall_at_20.popular": recall(asked, popular.score),
    }


def questions(data: Interactions, cutoff: int, most: int = MOST_SHOPPERS, seed: int = 0) -> list[Question]:
    """Return the shoppers with a history before `cutoff` who bought something new after it, at most `most`."""
    before, after = data.times < cutoff, (data.times >= cutoff) & (data.kinds == Kind.PURCHASE)
    both = np.intersect1d(data.customers[before], data.customers[after])
    order = np.random.default_rng(seed).permutation(both)
    asked = (_question(data, cutoff, int(customer), before, after) for customer in order)
    return list(islice((question for question in asked if len(question.target)), most))


def recall(asked: list[Question], score: Callable[[Shopper], FloatArray]) -> float:
    """Return the mean share of the targets that are among the first 20 of what was never bought."""
    hits = []
    for question in asked:
        scores = score(question.shopper).copy()
        scores[question.shopper.bought] = 0.0
        top = np.argpartition(-scores, LIST - 1)[:LIST] if len(scores) > LIST else np.arange(len(scores))
        found = np.intersect1d(top[scores[top] > 0], question.target)
        hits.append(len(found) / min(len(question.target), LIST))
    return round(float(np.mean(hits)), 4)


def shopper_of(data: Interactions, events: Mask, customer: int, now: int) -> Shopper:
    """Return a customer as a shopper who knows nothing but the events that `events` (shape (n_events,)) selects."""
    mine = np.flatnonzero(events & (data.customers == customer))
    mine = mine[np.argsort(data.times[mine], kind="stable")]
    return Shopper(
        now=now,
        products=data.products[mine],
        kinds=data.kinds[mine],
        quantities=data.quantities[mine],
        times=data.times[mine],
        baskets=data.baskets[mine],
        groups={name: int(codes[customer]) for name, codes in data.groups.items() if codes[customer] >= 0},
    )


def _question(data: Interactions, cutoff: int, customer: int, before: Mask, after: Mask) -> Question:
    shopper = shopper_of(data, before, customer, cutoff)
    bought = data.products[after & (data.customers == customer)]
    return Question(shopper, np.setdiff1d(bought, shopper.bought).astype(np.int32))


def _hybrid(model: Model, shopper: Shopper, names: list[str], salience: FloatArray) -> FloatArray:
    scores = model.scores(shopper, names)
    scores["content"] = scores["content"] * salience
    return fuse(scores, DEFAULT_WEIGHTS).scores
