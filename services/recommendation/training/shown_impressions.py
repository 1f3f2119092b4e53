"""What shown lists say of position bias: impressions by page, with what relevance may depend on."""

from collections.abc import Mapping

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.holdout.protocols import products_of
from services.recommendation.training.position_bias import Impressions, PositionBias, estimate
from services.recommendation.training.shown_lists import PAGES, ShownLists
from shared.page_rules import Page

LEAST_PROPENSITY = 0.1
"""Least propensity that anything is divided by."""
DRAWN_BELOW = 0.5
"""Propensity below which an item is at its place by chance: one that stays where others are tried has more."""


def position_biases(shown: ShownLists, data: Interactions) -> dict[Page, PositionBias]:
    """Return the position bias of each page that lists were shown on: pages lay lists out in their own way.

    Parameters
    ----------
    shown : ShownLists
        Lists with and without a response.
    data : Interactions
        What customers did, in the same rows.
    """
    found = {}
    for code in np.unique(shown.pages).tolist():
        found[PAGES[code]] = estimate(impressions_of(shown.where(shown.pages == code), data))
    return found


def bias_facts(biases: Mapping[Page, PositionBias]) -> dict[str, dict[str, object]]:
    """Return the biases as JSON-able values by page."""
    return {
        page.value: {
            "method": bias.method.value,
            "clicks": bias.clicks,
            "examination": [round(each, 4) for each in bias.examination.tolist()],
        }
        for page, bias in biases.items()
    }


def impressions_of(shown: ShownLists, data: Interactions) -> Impressions:
    """Return the impressions of lists of one page.

    Items of one customer are a group wherever they stood. An item whose place was drawn by chance is in a group with
    all such impressions of it: chance, not the customer, placed it.
    """
    customers = shown.customers[shown.owners].astype(np.int64)
    drawn = shown.propensities < DRAWN_BELOW
    groups = np.where(drawn, -1 - shown.products.astype(np.int64), customers * data.n_products + shown.products)
    _, numbers = np.unique(groups, return_inverse=True)
    return Impressions(
        positions=shown.positions,
        clicked=shown.grades > 0,
        groups=numbers.astype(np.int64),
        weights=(1.0 / np.maximum(shown.propensities, LEAST_PROPENSITY)).astype(np.float32),
        features=_features(shown, customers, data),
    )


def _features(shown: ShownLists, customers: Longs, data: Interactions) -> FloatArray:
    """Return what relevance may depend on: popularity, and what the customer did before with product and category."""
    times, category = shown.times[shown.owners], data.category.astype(np.int64)
    n_categories = int(category.max(initial=-1)) + 2
    own = _counts_before(
        data.customers.astype(np.int64) * data.n_products + data.products,
        data.times,
        customers * data.n_products + shown.products,
        times,
    )
    of_category = _counts_before(
        data.customers * np.int64(n_categories) + category[data.products] + 1,
        data.times,
        customers * n_categories + category[shown.products] + 1,
        times,
    )
    in_all = _counts_before(data.customers.astype(np.int64), data.times, customers, times)
    popularity = np.log1p(products_of(data)[shown.products])
    columns = [popularity, np.log1p(own), of_category / np.maximum(in_all, 1), category[shown.products] < 0]
    return np.stack(columns, axis=1).astype(np.float32)


def _counts_before(keys: Longs, times: Longs, asked: Longs, moments: Longs) -> Longs:
    """Return how many of the events with a key and time came before a moment, for each asked key and moment."""
    among = np.isin(keys, asked)
    events = int(among.sum())
    of_events = np.append(np.ones(events, np.int64), np.zeros(len(asked), np.int64))
    every, moment = np.append(keys[among], asked), np.append(times[among], moments)
    order = np.lexsort((of_events, moment, every))  # at one moment, what is asked comes before what happens
    counted = np.cumsum(of_events[order]) - of_events[order]
    ordered = every[order]
    first = np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
    start = np.maximum.accumulate(np.where(first, np.arange(len(ordered)), 0))
    counts = np.empty(len(order), np.int64)
    counts[order] = counted - counted[start] if len(order) else counted
    return counts[events:]
