"""Readable names for learned clusters, made from the features that differ most from the population's mean."""

import numpy as np
from numpy.typing import NDArray

from services.customer.behaviour import FEATURES

FloatArray = NDArray[np.float64]

LEAST = 0.4
"""A feature is distinctive from this distance to the population's mean, in standard deviations."""
TYPICAL = "typical"

WORDS: dict[str, tuple[str | None, str | None]] = {
    "purchases_per_month": ("rare", "frequent"),
    "basket_value": ("low_basket", "high_basket"),
    "basket_lines": ("few_items", "many_items"),
    "recency_days": ("recent", "lapsed"),
    "price_level": ("budget", "premium"),
    "category_variety": ("focused", "varied"),
    "views_per_purchase": ("decided", "browsing"),
    "night_share": (None, "night"),
    "morning_share": (None, "morning"),
    "evening_share": (None, "evening"),
    "weekend_share": ("weekday", "weekend"),
}
"""The word for a low and the word for a high value of each feature; None if a low value is not worth a word."""


def distinctive(mean: FloatArray) -> dict[str, float]:
    """Return a cluster's distinctive features and their deviations, largest deviation first.

    `mean` has shape (f,), in standard deviations from the population's mean.
    """
    order = np.argsort(-np.abs(mean), kind="stable")
    return {FEATURES[i]: round(float(mean[i]), 3) for i in order if abs(mean[i]) >= LEAST}


def names_of(means: FloatArray) -> tuple[str, ...]:
    """Return a name for each cluster: its two most distinctive words, or more if an earlier cluster has that name.

    Parameters
    ----------
    means
        Shape (k, f): the clusters' means, in standard deviations from the population's mean.
    """
    names: list[str] = []
    for words in map(_words, means):
        lengths = range(min(2, len(words)), len(words) + 1)
        candidates = ["_".join(words[:length]) or TYPICAL for length in lengths]
        names.append(next((name for name in candidates if name not in names), f"{candidates[-1]}_{len(names) + 1}"))
    return tuple(names)


def _words(mean: FloatArray) -> list[str]:
    words = (WORDS[feature][deviation > 0] for feature, deviation in distinctive(mean).items())
    return [word for word in words if word is not None]
