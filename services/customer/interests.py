"""Shares of a customer's interest by category and brand, and how they compare with everybody's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.embedding import DEFAULT_WEIGHTS, EventWeights, decayed_weights, event_weights
from services.customer.events import Events

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Labels:
    """One label of each product row, such as its category: a code into names; a negative code is unknown."""

    codes: NDArray[np.int32]
    names: Sequence[str]

    def of(self, events: Events) -> NDArray[np.int32]:
        """Return the code of each event's product, shape (n,); −1 where product or label is unknown."""
        known = (events.products >= 0) & (events.products < len(self.codes))
        codes = np.full(len(events), -1, dtype=np.int32)
        codes[known] = self.codes[events.products[known]]
        return codes


@dataclass(frozen=True, eq=False)
class CatalogueLabels:
    """What preferences need to know about products."""

    categories: Labels
    brands: Labels


@dataclass(frozen=True)
class Share:
    """How much of a customer's interest one category or brand has."""

    name: str
    share: float
    """Part of the time-decayed weight of the events whose label is known, 0 to 1; all shares together make 1."""
    lift: float | None
    """Share divided by the population's share; None where that is not given or 0."""
    events: int
    """Number of events the share rests on."""


def population_shares(events: Events, labels: Labels, weights: EventWeights = DEFAULT_WEIGHTS) -> FloatArray:
    """Return each label's share of the weight of everybody's events, shape (names,), float64; no event: all zero."""
    codes = labels.of(events)
    known = codes >= 0
    totals = np.bincount(codes[known], weights=event_weights(events, weights)[known], minlength=len(labels.names))
    return np.asarray(totals / max(float(totals.sum()), 1e-12), dtype=np.float64)


def shares(
    events: Events,
    labels: Labels,
    population: FloatArray | None = None,
    top: int = 10,
    weights: EventWeights = DEFAULT_WEIGHTS,
) -> tuple[Share, ...]:
    """Return the customer's `top` labels, largest share first, equal shares by name."""
    codes = labels.of(events)
    known = codes >= 0
    if not known.any():
        return ()
    events, codes = events.select(known), codes[known]
    weight = decayed_weights(events, np.broadcast_to(events.times.max(), len(events)), weights)
    found, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    part = np.bincount(place, weights=weight) / weight.sum()
    order = sorted(range(len(found)), key=lambda i: (-part[i], labels.names[int(found[i])]))[:top]
    lifts = _lifts(part, found, population)
    return tuple(Share(labels.names[int(found[i])], float(part[i]), lifts[i], int(counts[i])) for i in order)


def _lifts(part: FloatArray, codes: NDArray[np.int32], population: FloatArray | None) -> list[float | None]:
    if population is None:
        return [None] * len(codes)
    return [float(p / e) if e > 0 else None for p, e in zip(part, population[codes], strict=True)]
