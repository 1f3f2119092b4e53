"""Shares of categories and brands in a customer's event weights, and their lift over the population's shares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.embedding import DEFAULT_WEIGHTS, EventWeights, decayed_weights, event_weights
from services.customer.events import Events

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Labels:
    """One label of each product, such as its category."""

    codes: NDArray[np.int32]
    """Index into `names` for each product row, shape (n_products,); negative if the label is unknown."""
    names: Sequence[str]

    def of(self, events: Events) -> NDArray[np.int32]:
        """Return the code of each event's product, shape (n,); negative if the product or its label is unknown."""
        known = (events.products >= 0) & (events.products < len(self.codes))
        codes = np.full(len(events), -1, dtype=np.int32)
        codes[known] = self.codes[events.products[known]]
        return codes


@dataclass(frozen=True, eq=False)
class CatalogueLabels:
    """The labels of products that preferences are computed from."""

    categories: Labels
    brands: Labels


@dataclass(frozen=True)
class Share:
    """The share of one category or brand in a customer's event weights."""

    name: str
    share: float
    """Share of the time-decayed weight of all events with a known label, 0 to 1; the shares of all labels sum to 1."""
    lift: float | None
    """Share divided by the population's share; None if that is not given or 0."""
    events: int
    """Number of events with this label."""


def population_shares(events: Events, labels: Labels, weights: EventWeights = DEFAULT_WEIGHTS) -> FloatArray:
    """Return each label's share of the weight of the population's events, shape (names,), float64.

    Weights are not decayed by age. All shares are 0 if no event has a known label.
    """
    return shares_of(label_weights(events, labels, weights))


def label_weights(events: Events, labels: Labels, weights: EventWeights = DEFAULT_WEIGHTS) -> FloatArray:
    """Return the weight of the events of each label, not decayed by age, shape (names,), float64."""
    codes = labels.of(events)
    known = codes >= 0
    totals = np.bincount(codes[known], weights=event_weights(events, weights)[known], minlength=len(labels.names))
    return np.asarray(totals, dtype=np.float64)


def shares_of(totals: FloatArray) -> FloatArray:
    """Return the share of each label in the weight of all, shape (names,), float64; 0 if all weights are 0."""
    return np.asarray(totals / max(float(totals.sum()), 1e-12), dtype=np.float64)


def shares(
    events: Events,
    labels: Labels,
    population: FloatArray | None = None,
    top: int = 10,
    weights: EventWeights = DEFAULT_WEIGHTS,
) -> tuple[Share, ...]:
    """Return the customer's `top` labels with the largest shares, largest first; ties are ordered by name."""
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
