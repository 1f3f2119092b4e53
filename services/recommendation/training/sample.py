"""A sample of a large shop: the interactions of some customers, for what need not learn from all of them."""

import numpy as np

from services.recommendation.algorithms.arrays import Mask
from services.recommendation.algorithms.interactions import Interactions

MOST_INTERACTIONS = 5_000_000
"""Interactions of a sample, about: of more, those of some customers by chance say nearly the same."""


def some_customers(data: Interactions, most: int = MOST_INTERACTIONS, seed: int = 0) -> Interactions:
    """Return the events of customers drawn by chance, about `most`; `data` itself where there are not more.

    Rows and their numbers stay those of `data`. The same data and seed give the same customers.
    """
    share = most / max(len(data.customers), 1)
    if share >= 1:
        return data
    drawn: Mask = np.random.default_rng(seed).random(data.n_customers) < share
    return data.where(drawn[data.customers])
