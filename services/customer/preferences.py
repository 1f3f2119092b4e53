"""A customer's preferences in terms that people can check: categories, brands, prices, cadence and times."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.clock import DAYPARTS, HOUR, WEEKDAYS, daypart, hour, weekday
from services.customer.embedding import DEFAULT_WEIGHTS, EventWeights
from services.customer.events import Events
from services.customer.interests import CatalogueLabels, Labels, Share, population_shares, shares
from services.customer.purchase_cadence import DueProduct, PurchaseCadence, cadence

__all__ = [
    "CatalogueLabels",
    "DueProduct",
    "Labels",
    "Preferences",
    "PriceBand",
    "PurchaseCadence",
    "Share",
    "Timing",
    "population_shares",
    "preferences",
    "price_band",
    "timing",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PriceBand:
    """The 10th, 50th and 90th percentile of unit prices paid, in minor units; each purchased line counts once."""

    p10: int
    p50: int
    p90: int
    events: int
    """Number of purchased lines with a known price."""


@dataclass(frozen=True)
class Timing:
    """The times at which a customer is active.

    The unit is an hour with at least one event, so that a basket of fifty lines does not count fifty times.
    """

    time_of_day: dict[str, float]
    """Share of the active hours in each part of the day, keys as in `DAYPARTS`; empty without events."""
    weekday: dict[str, float]
    """Share of the active hours on each day of the week, keys as in `WEEKDAYS`; empty without events."""
    hours: int
    """Number of active hours."""


@dataclass(frozen=True)
class Preferences:
    """The preferences of one customer; parts without data are empty or None."""

    categories: tuple[Share, ...]
    brands: tuple[Share, ...]
    price_band: PriceBand | None
    cadence: PurchaseCadence
    timing: Timing
    events: int
    """Number of the customer's events."""


def preferences(
    events: Events,
    catalogue: CatalogueLabels,
    now: int,
    *,
    category_population: FloatArray | None = None,
    brand_population: FloatArray | None = None,
    top: int = 10,
    utc_offset_seconds: int = 0,
    weights: EventWeights = DEFAULT_WEIGHTS,
) -> Preferences:
    """Return the preferences of one customer.

    Parameters
    ----------
    events
        The customer's events in any order.
    catalogue
        Categories and brands of the product rows.
    now
        Current time in Unix seconds, UTC, from which due repurchases are determined.
    category_population, brand_population
        The population's shares, shape (names,), float64, from `population_shares`. With None no lift is computed.
    top
        Largest number of categories and of brands.
    utc_offset_seconds
        Added to the times before hours and weekdays are computed.
    weights
        Weight of each kind of event.
    """
    return Preferences(
        categories=shares(events, catalogue.categories, category_population, top, weights),
        brands=shares(events, catalogue.brands, brand_population, top, weights),
        price_band=price_band(events),
        cadence=cadence(events, now, utc_offset_seconds),
        timing=timing(events, utc_offset_seconds),
        events=len(events),
    )


def price_band(events: Events) -> PriceBand | None:
    """Return the price band, or None if no purchased line has both an amount and a quantity."""
    bought = events.purchases
    paid = bought.select((bought.quantities > 0) & (bought.amounts > 0))
    if not len(paid):
        return None
    low, middle, high = np.percentile(paid.amounts / paid.quantities, [10, 50, 90])
    return PriceBand(round(low), round(middle), round(high), len(paid))


def timing(events: Events, utc_offset_seconds: int = 0) -> Timing:
    """Return the times at which the customer is active."""
    hours = np.unique(hour(events.times, utc_offset_seconds)) * HOUR
    return Timing(_histogram(daypart(hours), DAYPARTS), _histogram(weekday(hours), WEEKDAYS), len(hours))


def _histogram(codes: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, float]:
    if not len(codes):
        return {}
    counts = np.bincount(codes, minlength=len(names))
    return {name: float(count / len(codes)) for name, count in zip(names, counts, strict=True)}
