"""The segment model, fitted at each refresh: RFM scales, learned clusters and the population's shares.

With the model, the segments of one customer are computed from this customer's current events only.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from services.customer.behaviour import behaviour
from services.customer.clusters import Clusters
from services.customer.events import Events
from services.customer.interests import CatalogueLabels, Labels, label_weights, shares_of
from services.customer.rfm import FloatArray, RfmValues, rfm_values
from services.customer.segments import Rfm
from services.customer.state import require_format
from shared.arrays import pack, unpack
from shared.db import models, segments
from shared.db.engine import Connection, Database
from shared.db.segments import Membership, Segment
from shared.errors import DataLoss
from shared.telemetry import FALLBACKS

KIND = "segments"
FORMAT = 1
KEPT_VERSIONS = 3
LEAST_EVENTS = 10
"""Smallest number of events of a customer in a learned cluster; fewer events do not show a customer's behaviour."""
log = structlog.get_logger()

Shares = dict[str, float]


@dataclass(frozen=True, eq=False)
class Population:
    """Customers and their events; `customers` has the row of each event's customer, shape (n,), int32."""

    customers: NDArray[np.int32]
    events: Events
    n_customers: int
    catalogue: CatalogueLabels

    @classmethod
    def of_one(cls, events: Events, catalogue: CatalogueLabels) -> "Population":
        """Return a population of one customer."""
        return cls(np.zeros(len(events), dtype=np.int32), events, 1, catalogue)


@dataclass(frozen=True, eq=False)
class Facts:
    """What segments are fitted on and computed from: numbers of each customer, and sums over their events.

    Attributes
    ----------
    rfm : RfmValues
        Of n customers.
    features : ndarray of shape (n, len(FEATURES)), float64
        As `behaviour` returns them.
    events : ndarray of shape (n,), int64
        Number of events of each customer.
    categories, brands : ndarray of shape (names,), float64
        Weight of the events of each category and brand, of those customers who are learned from.
    """

    rfm: RfmValues
    features: FloatArray
    events: NDArray[np.int64]
    categories: FloatArray
    brands: FloatArray

    @classmethod
    def of(cls, population: Population, now: int, denied: NDArray[np.bool_] | None = None) -> "Facts":
        """Return the facts of a population at the time `now`, in Unix seconds.

        Of `denied` customers (mask of shape (n_customers,), default none) nothing is in the sums.
        """
        customers, events, n = population.customers, population.events, population.n_customers
        learned = events if denied is None or not denied.any() else events.select(~denied[customers])
        return cls(
            rfm_values(customers, events, n, now),
            behaviour(customers, events, n, now, population.catalogue.categories),
            np.bincount(customers, minlength=n),
            label_weights(learned, population.catalogue.categories),
            label_weights(learned, population.catalogue.brands),
        )

    @classmethod
    def joined(cls, parts: "Sequence[Facts]") -> "Facts":
        """Return the facts of all customers from those of some after others."""
        return cls(
            RfmValues.joined([part.rfm for part in parts]),
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.events for part in parts]),
            np.sum([part.categories for part in parts], axis=0),
            np.sum([part.brands for part in parts], axis=0),
        )


@dataclass(frozen=True, eq=False)
class SegmentModel:
    """RFM rules, learned clusters, and the population's shares of categories and brands.

    `rfm` is None if no customer has a purchase; `clusters` is None if no customer has events.
    """

    rfm: Rfm | None
    clusters: Clusters | None
    categories: Shares
    brands: Shares

    @classmethod
    def fit(cls, population: Population, now: int) -> "SegmentModel":
        """Fit on the whole population at the time `now`, in Unix seconds."""
        return cls.fit_on(Facts.of(population, now), population.catalogue)

    @classmethod
    def fit_on(
        cls, facts: Facts, catalogue: CatalogueLabels, denied: NDArray[np.bool_] | None = None
    ) -> "SegmentModel":
        """Fit on the facts of all customers, of those whom the mask `denied` leaves (shape (n,), default all)."""
        values, features = facts.rfm, facts.features
        if denied is not None and denied.any():
            values, features = values.where(~denied), features[~denied]
        return cls(
            Rfm.fit(values) if values.active.any() else None,
            Clusters.fit(features) if np.isfinite(features).any() else None,
            _shares(facts.categories, catalogue.categories),
            _shares(facts.brands, catalogue.brands),
        )

    def segments(self) -> list[Segment]:
        """Return all segments with their criteria."""
        rules = self.rfm.criteria() if self.rfm else {}
        learned = self.clusters.criteria() if self.clusters else {}
        return [Segment(name, segments.RFM, criteria) for name, criteria in rules.items()] + [
            Segment(name, segments.LEARNED, criteria) for name, criteria in learned.items()
        ]

    def memberships(self, population: Population, now: int) -> list[list[tuple[str, float]]]:
        """Return (segment name, confidence) of each segment of each customer row, at the time `now` in Unix seconds."""
        return self.memberships_of(Facts.of(population, now))

    def memberships_of(self, facts: Facts) -> list[list[tuple[str, float]]]:
        """Return (segment name, confidence) of each segment of each customer."""
        found: list[list[tuple[str, float]]] = [[] for _ in range(len(facts.events))]
        if self.rfm:
            ruled = self.rfm.memberships(facts.rfm)
            _add(found, ruled.names, ruled.codes, ruled.confidence)
        if self.clusters:
            learned = self.clusters.memberships(facts.features)
            codes = np.where(facts.events >= LEAST_EVENTS, learned.codes, -1)
            _add(found, self.clusters.names, codes, learned.confidence)
        return found

    def segments_of(self, events: Events, catalogue: CatalogueLabels, now: int) -> list[Membership]:
        """Return the segments of one customer, highest confidence first."""
        by_name = {segment.name: segment for segment in self.segments()}
        (found,) = self.memberships(Population.of_one(events, catalogue), now)
        return [Membership(by_name[name], confidence) for name, confidence in sorted(found, key=_most_confident)]

    def dump(self) -> bytes:
        """Return the model as bytes."""
        arrays: dict[str, NDArray[Any]] = {}
        states: dict[str, Any] = {}
        for name, part in (("rfm", self.rfm), ("clusters", self.clusters)):
            if part is not None:
                own, states[name] = part.state()
                arrays |= {f"{name}.{key}": array for key, array in own.items()}
        metadata = {"format": FORMAT, "states": states, "categories": self.categories, "brands": self.brands}
        return pack(arrays, metadata)

    @classmethod
    def load(cls, payload: bytes) -> "SegmentModel":
        """Return the model stored in `payload`. Raises DataLoss if it is damaged or has another format."""
        arrays, metadata = unpack(payload)
        try:
            require_format(metadata, FORMAT)
            states = metadata["states"]
            return cls(
                Rfm.load((_part(arrays, "rfm"), states["rfm"])) if "rfm" in states else None,
                Clusters.load((_part(arrays, "clusters"), states["clusters"])) if "clusters" in states else None,
                metadata["categories"],
                metadata["brands"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataLoss(f"segment model: cannot be read: {error}") from error


class SegmentModelManager:
    """Keeps the active segment model in memory and loads a newer one. Safe to call from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._version: str | None = None
        self._model: SegmentModel | None = None

    def current(self, connection: Connection) -> SegmentModel | None:
        """Return the active model; None before the first refresh, or if it is damaged (then logged and counted)."""
        version = models.active_version(connection, KIND)
        with self._lock:
            if version != self._version:
                self._model = self._load()
                self._version = version
            return self._model

    def _load(self) -> SegmentModel | None:
        try:
            found = models.load_active(self._database, KIND)
            return None if found is None else SegmentModel.load(found[1])
        except DataLoss as error:
            log.error("segment model is damaged, using the stored memberships", error=error.message)
            FALLBACKS.labels("customer", "damaged_segment_model").inc()
            return None


def aligned(shares: Shares, labels: Labels) -> NDArray[np.float64]:
    """Return the shares in the order of `labels.names`, 0 for an unknown name; shape (names,), float64."""
    return np.array([shares.get(name, 0.0) for name in labels.names], dtype=np.float64)


def _shares(totals: FloatArray, labels: Labels) -> Shares:
    return dict(zip(labels.names, shares_of(totals).tolist(), strict=True))


def _add(
    found: list[list[tuple[str, float]]],
    names: Sequence[str],
    codes: NDArray[np.int64],
    confidence: NDArray[np.float64],
) -> None:
    for mine, code, sure in zip(found, codes.tolist(), confidence.tolist(), strict=True):
        if code >= 0:
            mine.append((names[code], min(max(sure, 0.0), 1.0)))


def _most_confident(membership: tuple[str, float]) -> tuple[float, str]:
    return -membership[1], membership[0]


def _part(arrays: dict[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
