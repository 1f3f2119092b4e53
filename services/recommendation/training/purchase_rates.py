"""How much more often a candidate is bought, the larger its value: an order by what products earn needs it."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Longs, Mask
from services.recommendation.reranker.model import Reranker
from services.recommendation.training.holdout_eval import EvalBatch, HoldoutEval
from services.recommendation.training.ltr_dataset import right_candidates

FEWEST_FOUND = 50
"""Right candidates below which nothing is said: the slope would be chance."""
HALVINGS = 30
MOST_SLOPE = 10.0


def learn_rate_slope(evaluation: HoldoutEval, reranker: Reranker) -> float:
    """Return the slope of the logarithm of the purchase rate by the reranker's values, on questions it did not see.

    Each right candidate of a question counts as a choice among the question's candidates, with probabilities
    proportional to exp(slope · value). The slope maximises their likelihood. Where there are fewer than `FEWEST_FOUND`
    choices, or better values are chosen no more often, 0 is returned: nothing is known.

    Source: the conditional logit of McFadden, "Conditional logit analysis of qualitative choice behavior", Frontiers in
    Econometrics, 1974; a scale learned on held-out data: Platt, "Probabilistic outputs for support vector machines",
    Advances in Large Margin Classifiers, 1999.
    """
    parts = [_of_batch(batch, reranker) for batch in evaluation.batches]
    values = np.concatenate([part[0] for part in parts]) if parts else np.empty(0)
    right = np.concatenate([part[1] for part in parts]) if parts else np.empty(0, bool)
    sizes = np.concatenate([part[2] for part in parts]) if parts else np.empty(0, np.int64)
    if np.count_nonzero(right) < FEWEST_FOUND:
        return 0.0
    return conditional_logit_slope(values, right, sizes)


def conditional_logit_slope(values: NDArray[np.float64], right: Mask, sizes: Longs) -> float:
    """Return the slope with the largest likelihood, from 0 to `MOST_SLOPE`.

    The likelihood has one maximum, where its derivative changes its sign: the interval is halved again and again.

    Parameters
    ----------
    values : ndarray of shape (n,), float64
        Of the candidates of all questions, question by question.
    right : ndarray of shape (n,), bool
        Which of them were chosen.
    sizes : ndarray of shape (n_questions,), int64
        Candidates of each question, at least 1; they add up to n.
    """
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    centred = values - np.repeat(np.maximum.reduceat(values, starts), sizes)
    chosen = np.add.reduceat(right.astype(np.float64), starts)
    reached = float(centred[right].sum())

    def rises(slope: float) -> bool:
        """Return whether the likelihood is larger for a somewhat larger slope."""
        shares = np.exp(slope * centred)
        means = np.add.reduceat(shares * centred, starts) / np.add.reduceat(shares, starts)
        return reached > float(chosen @ means)

    low, high = 0.0, MOST_SLOPE
    if not rises(low):
        return low
    if rises(high):
        return high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) else (low, middle)
    return low


def _of_batch(batch: EvalBatch, reranker: Reranker) -> tuple[NDArray[np.float64], Mask, Longs]:
    """Return values of the candidates, which were right, and candidates of each question that has any."""
    right = right_candidates(batch.candidates, batch.targets)
    sizes = np.bincount(batch.candidates.owners, minlength=len(batch.targets))
    return reranker.trees.values(batch.features).astype(np.float64), right, sizes[sizes > 0]
