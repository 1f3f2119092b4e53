"""What boosts of placements, and rules that boost or bury, multiply scores with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared.merchandising.placement import Boosts
from shared.merchandising.rule import Rule, Weigh
from shared.page_rules import Mask, Rows

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Facts:
    """What boosts look at of the products that are proposed, each of shape (n,); NaN where it is not known.

    Parameters
    ----------
    price : ndarray
        In any unit that is the same for all of them.
    margin : ndarray
        Share of the price that is above the cost.
    added : ndarray
        When each entered the assortment, in Unix seconds.
    """

    price: Floats
    margin: Floats
    added: Floats


@dataclass(frozen=True, eq=False)
class Weighed:
    """Factors of scores, shape (n,), and which rules gave them, by place among the products that are proposed."""

    factors: Floats
    touched: dict[int, tuple[str, ...]] = field(default_factory=dict)


def boosted(boosts: Boosts, facts: Facts) -> Floats:
    """Return what the boosts of a placement multiply the scores with, shape (n,)."""
    factors = np.ones(len(facts.price))
    for strength, values in ((boosts.price, facts.price), (boosts.margin, facts.margin), (boosts.novelty, facts.added)):
        if strength:
            factors *= 2.0 ** (strength * (2.0 * _percentiles(values) - 1.0))
    if boosts.revenue:
        factors *= _relative(facts.price) ** boosts.revenue
    return factors


def weighed(rules: Sequence[Rule], rows: Rows, mask_of: Callable[[Rule], Mask]) -> Weighed:
    """Return what rules multiply the scores of the products at `rows` with.

    `mask_of` gives the products that the filter of a rule holds for, over all of them.
    """
    factors = np.ones(len(rows))
    touched: dict[int, tuple[str, ...]] = {}
    for rule in rules:
        if not isinstance(rule.action, Weigh):
            continue
        places = np.flatnonzero(mask_of(rule)[rows])
        factors[places] *= rule.action.factor
        for place in places.tolist():
            touched[place] = (*touched.get(place, ()), rule.rule_id)
    return Weighed(factors, touched)


def _relative(prices: Floats) -> Floats:
    """Return each price over the median of those above 0; 1 where it is not known, or 0."""
    known = prices > 0
    return np.where(known, prices / np.median(prices[known]), 1.0) if known.any() else np.ones(len(prices))


def _percentiles(values: Floats) -> Floats:
    """Return the share of the known values that are below each, 0 to 1; a half for those that are not known.

    Equal values have the same share, half-way among themselves.
    """
    known = ~np.isnan(values)
    shares = np.full(len(values), 0.5)
    ordered = np.sort(values[known])
    if len(ordered) < 2 or ordered[0] == ordered[-1]:
        return shares
    low, high = (np.searchsorted(ordered, values[known], side) for side in ("left", "right"))
    shares[known] = (low + high - 1) / 2 / (len(ordered) - 1)
    return shares
