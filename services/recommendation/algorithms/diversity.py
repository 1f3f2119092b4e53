"""Diversity: re-orders candidates so that a list does not consist of near-identical products."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs
from services.recommendation.algorithms.checks import require_fraction
from services.recommendation.algorithms.content import unit_rows
from shared.compiled import compiled

LEAST_PENALTY = -2.0
"""Initial penalty of a candidate, smaller than any cosine."""
TINY = float(np.finfo(np.float32).tiny)


def rerank(relevance: FloatArray, embeddings: FloatArray, limit: int, trade_off: float = 0.7) -> Longs:
    """Order candidates by maximal marginal relevance (MMR), greedily.

    Each step chooses the candidate with the largest value of
    trade_off · relevance − (1 − trade_off) · largest cosine to the candidates chosen so far.
    Relevance is scaled so that its maximum is 1.

    Source: Carbonell & Goldstein, "The use of MMR, diversity-based reranking for reordering documents and producing
    summaries", SIGIR 1998, doi:10.1145/290941.291025

    Parameters
    ----------
    relevance : ndarray of shape (n,), float32
        Scores of the candidates, not negative. Memory grows with n², so n should not exceed some hundreds.
    embeddings : ndarray of shape (n, d), float32
        Embeddings of the candidates; a row of zeros has cosine 0 to all others.
    limit : int
        Number of candidates to choose.
    trade_off : float
        From 0 to 1: 1 orders by relevance only, 0 by difference only.

    Returns
    -------
    ndarray of shape (min(n, limit),), int64
        Positions among the candidates, best first; ties are in the order given.

    Raises
    ------
    ValueError
        If the lengths differ, `limit` is negative or `trade_off` is not from 0 to 1.
    """
    require_fraction(trade_off=trade_off)
    if len(relevance) != len(embeddings) or limit < 0:
        raise ValueError(f"relevance, embeddings, limit: got {len(relevance)}, {len(embeddings)}, {limit}")
    unit = unit_rows(embeddings)
    cosines = (1.0 - trade_off) * (unit @ unit.T)
    best = max(float(relevance.max(initial=0.0)), TINY)
    return _greedy(trade_off * (relevance / best).astype(np.float64), cosines, min(limit, len(relevance)))


@compiled
def _greedy(gain: NDArray[np.float64], penalties: FloatArray, limit: int) -> Longs:
    chosen = np.empty(limit, np.int64)
    worst = np.full(len(gain), LEAST_PENALTY)
    taken = np.zeros(len(gain), np.bool_)
    for place in range(limit):
        best, most = -1, -np.inf
        for i in range(len(gain)):
            margin = gain[i] - worst[i]
            if not taken[i] and (best < 0 or margin > most):
                best, most = i, margin
        chosen[place] = best
        taken[best] = True
        for i in range(len(gain)):
            worst[i] = max(worst[i], penalties[best, i])
    return chosen
