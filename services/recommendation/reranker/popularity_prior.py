"""How much products are asked for, as a factor for scores that know nothing of it."""

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.popular import Popular

NEW_QUANTILE = 0.9
"""Quantile of the products asked for that one counts like which came after training."""


def popularity_prior(popular: Algorithm | None, n: int) -> FloatArray:
    """Return how much products are asked for: the square root of their popularity over the largest.

    Likeness alone proposes what nobody wants: on grocery data (held-out week, recall at 20 of products new to the
    shopper) it finds 0.0001, times this 0.017, and the hybrid with it 0.020 instead of 0.008.

    Returns
    -------
    ndarray of shape (n,), float32
        Above 0, at most 1. A product that came after training counts like the best tenth of those asked for; all
        count alike where nothing is known.
    """
    shares = popular.overall if isinstance(popular, Popular) else np.empty(0, np.float32)
    wanted = shares[shares > 0]
    if not len(wanted):
        return np.ones(n, np.float32)
    new = np.full(n - len(shares), np.quantile(wanted, NEW_QUANTILE), np.float32)
    salience: FloatArray = np.sqrt(np.concatenate([np.maximum(shares, wanted.min()), new]) / wanted.max())
    return salience.astype(np.float32)
