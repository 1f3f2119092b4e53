"""All that is hidden from the system about the households, learned from the whole year."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.complements import complement_lifts
from benchmarks.simulation.prices import price_effects, price_sensitivities
from benchmarks.simulation.rhythm import need_rates, need_shapes, visit_rates
from benchmarks.simulation.source import Floats, Ints, Observed
from benchmarks.simulation.tastes import loyal_shares, taste_shares


@dataclass(frozen=True)
class Preferences:
    """What households want.

    Attributes
    ----------
    visit_rates : ndarray of shape (households,)
        Trips a day; `weekdays` is the factor of each weekday from Monday on.
    need_rates : ndarray of shape (households, categories)
        Needs a day, remembered or not.
    need_shapes : ndarray of shape (categories,)
        Shape of the gamma distribution of the time between two needs.
    taste : ndarray of shape (households, products)
        Logarithm of the share of each product in its category by latent taste; `choice` by what the household buys
        itself as well: the one is how new products appeal, the other how it chooses what it needs.
    sensitivities : ndarray of shape (households,)
        How far prices and promotions count for the household; 1 is the average.
    elasticities, promotions : ndarray of shape (departments,)
        Added to the utility for the logarithm of the relative price, and where a product is promoted.
    complements : ndarray of shape (categories, categories)
        Logarithm of the lift of two categories in one basket.
    """

    visit_rates: Floats
    weekdays: Floats
    need_rates: Floats
    need_shapes: Floats
    taste: Floats
    choice: Floats
    sensitivities: Floats
    elasticities: Floats
    promotions: Floats
    complements: Floats

    @classmethod
    def load(cls, file: Path) -> Self:
        """Return what `save` wrote."""
        with np.load(file) as arrays:
            return cls(**{each.name: arrays[each.name] for each in fields(cls)})

    def save(self, file: Path) -> None:
        """Write all arrays into one `.npz` file."""
        arrays = {each.name: getattr(self, each.name) for each in fields(self)}
        np.savez(file, allow_pickle=False, **arrays)

    def of(self, households: Ints | NDArray[np.bool_]) -> "Preferences":
        """Return the preferences of some households, in their order."""
        own = ("visit_rates", "need_rates", "taste", "choice", "sensitivities")
        return replace(self, **{name: getattr(self, name)[households] for name in own})


def fit(observed: Observed, factors: int, seed: int) -> Preferences:
    """Learn the preferences of all households of the data. Takes about half a minute; the same seed gives the same."""
    counts = observed.counts()
    shares = taste_shares(counts, observed.categories, factors, seed)
    rates, weekdays = visit_rates(observed)
    elasticities, promotions = price_effects(observed)
    return Preferences(
        visit_rates=rates,
        weekdays=weekdays,
        need_rates=need_rates(observed),
        need_shapes=need_shapes(observed),
        taste=np.log(shares),
        choice=np.log(loyal_shares(counts, shares, observed.categories)),
        sensitivities=price_sensitivities(observed),
        elasticities=elasticities,
        promotions=promotions,
        complements=complement_lifts(observed),
    )
