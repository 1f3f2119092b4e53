"""How often a household shops, and how often, and how regularly, it needs something of a category."""

import numpy as np

from benchmarks.simulation.source import DAYS, MONDAY, WEEKDAYS, Floats, Observed

LEAST_GAPS = 5
"""Gaps of a household in a category that say something of its regularity."""
SHAPES = (0.6, 4.0)
"""Bounds of the shape of the gamma distribution: below 1 needs come in bursts, above 1 they keep a rhythm."""


def visit_rates(observed: Observed) -> tuple[Floats, Floats]:
    """Return trips a day by household, and the factor of each weekday from Monday on, whose mean is 1."""
    rates = observed.visits.mean(axis=1)
    weekdays = (np.arange(DAYS) + MONDAY) % WEEKDAYS
    by_weekday = np.array([observed.visits[:, weekdays == day].mean() for day in range(WEEKDAYS)])
    return rates, by_weekday / by_weekday.mean()


def need_rates(observed: Observed) -> Floats:
    """Return needs a day, shape (households, categories).

    The year's counts are Poisson with a gamma prior for each category, whose moments are those of the counts: empirical
    Bayes after Efron & Morris 1973, so that who bought nothing in a category has some rate too.
    """
    rows = observed.category_days()
    shape = (observed.households, len(observed.category_names))
    counts = np.bincount(rows[:, 0] * shape[1] + rows[:, 1], minlength=shape[0] * shape[1]).reshape(shape)
    mean, variance = counts.mean(axis=0), counts.var(axis=0)
    prior = mean**2 / np.maximum(variance - mean, 1e-3 * mean)
    posterior = (counts + prior) / (1.0 + prior / mean)
    return np.asarray(posterior / DAYS)


def need_shapes(observed: Observed) -> Floats:
    """Return the shape of the gamma distribution of the days between two needs, by category.

    It is 1 / CV² of the gaps of a household, by the mean CV² of all households with enough of them: the condensed
    rhythm of Chatfield & Goodhardt 1973, doi:10.1177/002224377301000106.
    """
    rows = observed.category_days()
    pairs = rows[:, 0] * len(observed.category_names) + rows[:, 1]
    same = pairs[1:] == pairs[:-1]
    gaps = np.diff(rows[:, 2])[same].astype(np.float64)
    _, group = np.unique(pairs[1:][same], return_inverse=True)
    number = np.bincount(group)
    mean = np.bincount(group, gaps) / number
    variance = np.bincount(group, gaps**2) / number - mean**2
    categories = rows[1:, 1][same][np.unique(group, return_index=True)[1]]
    enough = number >= LEAST_GAPS
    spread = variance[enough] / mean[enough] ** 2 * number[enough] / (number[enough] - 1)
    by_category = np.bincount(categories[enough], spread, len(observed.category_names))
    count = np.bincount(categories[enough], minlength=len(observed.category_names))
    spreads = (by_category + 1.0) / (count + 1.0)  # with one made up household that has no rhythm
    return np.clip(1.0 / np.maximum(spreads, 1e-6), *SHAPES)
