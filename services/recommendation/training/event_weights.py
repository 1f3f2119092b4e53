"""How much a view and a cart addition say beside a purchase: learned from what they foretold."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import cast

import numpy as np

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.algorithms.shopper_scores import FewScores
from services.recommendation.holdout.metrics import Values, measure
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.holdout.topk import top_k_of_few
from services.recommendation.reranker.contexts import with_profile_clock
from services.recommendation.training.sample import some_customers

GRID = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)
"""Weights tried, relative to the strongest kind."""
FEWEST_QUESTIONS = 100
"""Questions below which the weights stay as they are: chance would decide."""
MOST_QUESTIONS = 1500
"""Questions of the evaluation, at most."""
SURE = 2.0
"""Standard errors by which a weight must be better than the one before."""
PLACES = 20
"""Places of the lists that are evaluated."""
MOST_INTERACTIONS = 3_000_000
"""Interactions that the neighbourhoods of each trial are found in, about."""
MOST_NEIGHBOURS = 100
"""Neighbours, and products of a customer, of the neighbourhoods: few, as they are trained many times."""
BATCH = 256


def learn_kind_weights(train: Interactions, questions: Sequence[EvalCase]) -> FloatArray:
    """Learn how much an event of each kind says about what a shopper wants.

    Item neighbourhoods are trained under different weights; those win whose lists answer the questions best (NDCG at
    20), if by more than chance. One weight after the other is searched over `GRID`, the strongest kind that occurs
    staying at 1.

    Parameters
    ----------
    train : Interactions
        Everything known before the questions, `kind_weights` being where the search begins.
    questions : sequence of EvalCase
        Of a validation split; at most `MOST_QUESTIONS` of them, evenly spread, are asked.

    Returns
    -------
    ndarray of shape (3,), float32
        Weights by `Kind`; those of `train` where there is one kind only or there are too few questions.
    """
    kinds = np.unique(train.kinds).tolist()
    if len(kinds) < 2 or len(questions) < FEWEST_QUESTIONS:
        return train.kind_weights
    asked = spread(questions, MOST_QUESTIONS)
    train = some_customers(train, MOST_INTERACTIONS)
    strongest = max(kinds)
    best: FloatArray = train.kind_weights / (train.kind_weights[strongest] or np.float32(1.0))
    best[strongest] = 1.0
    reached = quality(train, asked, best)
    for kind in [kind for kind in reversed(kinds) if kind != strongest]:
        tried = [_with(best, kind, weight) for weight in GRID if weight != best[kind]]
        found = parallel.each(partial(quality, train, asked), tried)
        highest = max(range(len(tried)), key=lambda place: float(found[place].mean()))
        if surely_more(found[highest] - reached):
            best, reached = tried[highest], found[highest]
    return best


def quality(train: Interactions, questions: Sequence[EvalCase], kind_weights: FloatArray) -> Values:
    """Return the NDCG at 20 of item neighbourhoods trained under `kind_weights`, shape (n_questions,)."""
    neighbourhoods = ItemKnn(top_k=MOST_NEIGHBOURS, max_history=MOST_NEIGHBOURS)
    algorithm = neighbourhoods.fit(replace(train, kind_weights=kind_weights))
    parts = []
    for start in range(0, len(questions), BATCH):
        part = questions[start : start + BATCH]
        # Copies, as shoppers keep the scores they have, and with them the algorithm: all that were tried.
        shoppers = [replace(with_profile_clock(question.shopper)) for question in part]
        scores = algorithm.scores_of_many(shoppers)
        lists = top_k_of_few(cast(list[FewScores], scores), [question.excluded for question in part], PLACES)
        parts.append(measure(lists, [question.targets for question in part], PLACES)["ndcg"])
    return np.concatenate(parts)


def surely_more(gains: Values) -> bool:
    """Return whether the mean of the gains by question is more than chance: beyond `SURE` of its standard errors."""
    error = float(gains.std()) / np.sqrt(max(len(gains), 1))
    return bool(gains.mean() > SURE * error)


def _with(weights: FloatArray, kind: int, weight: float) -> FloatArray:
    changed = weights.copy()
    changed[kind] = weight
    return changed


def spread(questions: Sequence[EvalCase], most: int) -> list[EvalCase]:
    """Return at most `most` questions, evenly spread over all."""
    places = np.linspace(0, len(questions) - 1, min(most, len(questions))).round().astype(int)
    return [questions[place] for place in places]
