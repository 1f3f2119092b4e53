"""How much the reranker counts beside best-sellers for newcomers: customers of whom few events are known.

Where customers buy much alike, as at a grocer's, best-sellers suit a newcomer better than what few events tell; where
best-sellers say little, the reranker suits better. So each training asks: customers of the held-out period are made
newcomers, of whom the latest one to three events are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.recommendation.holdout.paired import paired_gain
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker.contexts import recent
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.reranker_models import NEWCOMER_WEIGHT
from services.recommendation.training.holdout_eval import PLACES, POPULAR, HoldoutEval

WEIGHTS = (16.0, 8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.125)
"""Weights of the reranker that are compared; best-sellers weigh 1."""
FEW = 3
"""Most events that are known of a newcomer."""
MOST_QUESTIONS = 500
FEWEST_QUESTIONS = 100
"""Questions below which the default weight holds: the differences would be chance."""


@dataclass(frozen=True)
class NewcomerWeight:
    """A weight, and how it was found: JSON-able, {} where there was too little to learn it from."""

    weight: float = NEWCOMER_WEIGHT
    report: dict[str, Any] = field(default_factory=dict)


def newcomers(questions: Sequence[EvalCase], seed: int = 0) -> list[EvalCase]:
    """Return questions as if the customer were a newcomer, of whom one to three events are known.

    Parameters
    ----------
    questions : sequence of EvalCase
        What customers obtained, excluded or not; those without a history or an answer are left out, and of more than
        `MOST_QUESTIONS` some are drawn.
    seed : int
        Of the draw, and of the numbers of events.
    """
    rng = np.random.default_rng(seed)
    asked = [each for each in questions if len(each.shopper.products) and len(each.targets)]
    chosen = np.sort(rng.permutation(len(asked))[:MOST_QUESTIONS]).tolist()
    known = rng.integers(1, FEW + 1, len(chosen)).tolist()
    return [_as_newcomer(asked[place], events) for place, events in zip(chosen, known, strict=True)]


def learn_newcomer_weight(evaluation: HoldoutEval, reranker: Reranker) -> NewcomerWeight:
    """Return the weight whose lists have the best mean NDCG, where its gain over the default is beyond chance.

    It is when the whole interval of the paired bootstrap over customers is above 0.
    """
    if len(evaluation) < FEWEST_QUESTIONS or POPULAR not in evaluation.names:
        return NewcomerWeight()
    found = {weight: evaluation.of_newcomers(reranker, weight)["ndcg"] for weight in WEIGHTS}
    best = max(found, key=lambda weight: float(np.nanmean(found[weight])))
    gain = paired_gain(found[best], found[NEWCOMER_WEIGHT], evaluation.clusters)
    report = {
        "questions": len(evaluation),
        f"ndcg_at_{PLACES}": {f"{weight:g}": round(float(np.nanmean(values)), 4) for weight, values in found.items()},
    }
    return NewcomerWeight(best if gain.better else NEWCOMER_WEIGHT, report)


def _as_newcomer(question: EvalCase, events: int) -> EvalCase:
    shopper = recent(question.shopper, events)
    targets = np.setdiff1d(question.targets, shopper.bought).astype(np.int32)
    return EvalCase(shopper, targets, shopper.bought, question.customer)
