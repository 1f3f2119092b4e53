"""What prices and promotions do to the choice of a product within its category."""

import numpy as np
from scipy.optimize import minimize

from benchmarks.simulation.source import WEEKDAYS, WEEKS, Floats, Ints, Observed

ELASTICITIES = (-4.0, 0.0)
PROMOTIONS = (0.0, 1.5)
OWN_LINES = 50.0
"""Lines of the average household that are mixed into how far a household buys what is promoted."""


def price_effects(observed: Observed) -> tuple[Floats, Floats]:
    """Return by department what is added to the utility for the logarithm of the relative price, and for a promotion.

    The two parameters of a conditional logit (McFadden 1974) of the purchases of each week, products having their own
    constants; bounded, for weeks without a sale of a product say nothing of its price.
    """
    weeks = np.minimum(observed.bought[:, 2] // WEEKDAYS, WEEKS - 1)
    counts = np.bincount(observed.bought[:, 1] * WEEKS + weeks, minlength=observed.products * WEEKS)
    by_week = counts.reshape(observed.products, WEEKS).astype(np.float64)
    of_product = observed.departments[observed.categories]
    found = [
        _effects(observed, by_week, np.flatnonzero(of_product == department))
        for department in range(len(observed.department_names))
    ]
    elasticities, promotions = zip(*found, strict=True)
    return np.array(elasticities), np.array(promotions)


def _effects(observed: Observed, by_week: Floats, products: Ints) -> tuple[float, float]:
    counts, categories = by_week[products], observed.categories[products]
    constants = np.log(counts.sum(axis=1, keepdims=True) + 1.0)
    price = np.log(observed.relative_prices[products])
    promoted = observed.promoted[products]
    _, group = np.unique(categories, return_inverse=True)

    def loss(effects: Floats) -> float:
        utility = constants + effects[0] * price + effects[1] * promoted
        totals = np.zeros((group.max() + 1, WEEKS))
        np.add.at(totals, group, np.exp(utility))
        return -float((counts * (utility - np.log(totals)[group])).sum() / counts.sum())

    best = minimize(loss, np.array([-1.0, 0.3]), bounds=[ELASTICITIES, PROMOTIONS], method="L-BFGS-B").x
    return float(best[0]), float(best[1])


def price_sensitivities(observed: Observed) -> Floats:
    """Return how far each household goes after promotions, relative to all; 1 is the average."""
    weeks = np.minimum(observed.bought[:, 2] // WEEKDAYS, WEEKS - 1)
    promoted = observed.promoted[observed.bought[:, 1], weeks]
    lines = np.bincount(observed.bought[:, 0], minlength=observed.households)
    own = np.bincount(observed.bought[:, 0], promoted, observed.households)
    return np.asarray((own + OWN_LINES * promoted.mean()) / ((lines + OWN_LINES) * promoted.mean()))
