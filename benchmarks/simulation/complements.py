"""Which categories are bought together more often than the habits of the households alone would bring about."""

import numpy as np
from scipy import sparse

from benchmarks.simulation.source import DAYS, Floats, Observed

PRIOR_TRIPS = 50.0


def complement_lifts(observed: Observed) -> Floats:
    """Return the logarithm of the lift of each pair of categories, shape (categories, categories); 0 with itself.

    The lift is the number of trips with both over the number that households with these rates would have by chance,
    with `PRIOR_TRIPS` added to both.
    """
    rows = observed.category_days()
    categories = len(observed.category_names)
    trip_keys = rows[:, 0] * DAYS + rows[:, 2]
    _, trips = np.unique(trip_keys, return_inverse=True)
    baskets = sparse.csr_matrix((np.ones(len(rows)), (trips, rows[:, 1])), shape=(int(trips.max()) + 1, categories))
    together = (baskets.T @ baskets).toarray()
    counts = np.bincount(rows[:, 0] * categories + rows[:, 1], minlength=observed.households * categories)
    own = counts.reshape(observed.households, categories) / np.maximum(observed.visits.sum(axis=1, keepdims=True), 1)
    by_chance = (own * observed.visits.sum(axis=1, keepdims=True)).T @ own
    lifts = np.log((together + PRIOR_TRIPS) / (by_chance + PRIOR_TRIPS))
    np.fill_diagonal(lifts, 0.0)
    return np.asarray(lifts)
