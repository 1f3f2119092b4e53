"""What is known before the questions and what came after, in the same rows."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.evaluation.io.baskets import baskets_of
from services.recommendation.evaluation.io.files import Events
from services.recommendation.evaluation.io.tables import Column
from services.recommendation.training.shown_lists import ShownLists
from shared.errors import InvalidArgument

MICROSECONDS = 1_000_000
MOST_FORESIGHT = 0.01
"""Share of the customers of both files whose train may go on after their test begins: clocks that were wrong."""


@dataclass(frozen=True, eq=False)
class TrainTestSplit:
    """What is known, and what came after.

    Attributes
    ----------
    train, test : Interactions
        Their rows mean the same. Products that only test has are there as well, without an event in train.
    cutoff : int
        The moment between them, in the unit of the times.
    timed : bool
        Whether times are Unix seconds. Otherwise they are places in an order.
    counts : dict
        Counts for the report, JSON-able.
    shown : ShownLists or None
        Lists that shoppers saw, before the cutoff and after it; None where nothing is logged.
    """

    train: Interactions
    test: Interactions
    cutoff: int
    timed: bool
    counts: dict[str, Any] = field(default_factory=dict)
    shown: ShownLists | None = None


def split_files(train: Events, test: Events, *, by_session: bool, cutoff: int | None = None) -> TrainTestSplit:
    """Return the split of two files of events.

    Parameters
    ----------
    train, test : Events
        What is known, and what came after.
    by_session : bool
        Sessions are the baskets, of purchases too.
    cutoff : int, optional
        The moment of asking in Unix seconds; by default that of the first test event, but after all of train.

    Raises
    ------
    InvalidArgument
        If one of the files has no event, or `cutoff` is given and train has no times or later ones.
    """
    for name, events in (("train", train), ("test", test)):
        if not len(events):
            raise InvalidArgument(f"{name}: there is no view, cart or purchase in it")
    timed = train.times is not None
    if cutoff is not None and not timed:
        raise InvalidArgument.of("cutoff", cutoff, "means nothing: train has no timestamps")
    customers, products = _names(train.customers, test.customers), _names(train.products, test.products)
    known = _Side(train, customers, products, by_session)
    asked = _Side(test, customers, products, by_session)
    if cutoff is not None and cutoff < known.end:
        last = datetime.fromtimestamp(known.end - 1, UTC).isoformat()
        raise InvalidArgument.of("cutoff", cutoff, f"must be after the last event of train, {last}")
    now = max(known.end, int(asked.times[0]) if timed and asked.timed else 0) if cutoff is None else cutoff
    added = _first_met(known, len(products)) if timed else np.zeros(len(products), np.int64)
    return TrainTestSplit(
        train=known.interactions(now, added),
        test=asked.interactions(now, added, later=0 if asked.timed else known.end, first_basket=known.n_baskets),
        cutoff=now,
        timed=timed,
        counts={"train": known.counts(), "test": asked.counts(), "warnings": _foresight(known, asked)},
    )


class _Side:
    """One of the files, in rows, oldest first."""

    def __init__(self, events: Events, customers: Column, products: Column, by_session: bool) -> None:
        rows = pc.index_in(events.customers, customers).to_numpy().astype(np.int32)
        baskets = baskets_of(events, rows, by_session=by_session)
        self.timed = events.times is not None
        order, self.times = _ordered(events)
        self.customers: Rows = rows[order]
        self.products: Rows = pc.index_in(events.products, products).to_numpy().astype(np.int32)[order]
        self.n_baskets = int(baskets.max()) + 1
        self._baskets = baskets[order]
        self._kinds = events.kinds[order]
        self._quantities: FloatArray = events.quantities[order]
        self._shape = (len(customers), len(products))
        self._left_out = events.left_out

    @property
    def end(self) -> int:
        """The first time after all events."""
        return int(self.times[-1]) + 1

    def interactions(self, now: int, added: Longs, later: int = 0, first_basket: int = 0) -> Interactions:
        """Return the events, their times `later` by so much, their baskets numbered from `first_basket`."""
        return Interactions.of(
            self.customers,
            self.products,
            n_customers=self._shape[0],
            n_products=self._shape[1],
            now=now,
            kinds=self._kinds,
            quantities=self._quantities,
            times=self.times + later,
            baskets=self._baskets + first_basket,
            added=added,
        )

    def counts(self) -> dict[str, int]:
        """Return how much there is."""
        return {
            "events": len(self.customers),
            "customers": len(np.unique(self.customers)),
            "products": len(np.unique(self.products)),
            "left_out": self._left_out,
        }


def _foresight(known: _Side, asked: _Side) -> list[str]:
    """Return a warning where train has events of customers that come after their first one in test."""
    if not (known.timed and asked.timed):
        return []
    n = int(max(known.customers.max(), asked.customers.max())) + 1
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, asked.customers, asked.times)
    late = np.unique(known.customers[known.times > first[known.customers]])
    both = np.intersect1d(known.customers, asked.customers)
    if len(late) <= MOST_FORESIGHT * len(both):
        return []
    return [
        f"{len(late):,} of {len(both):,} customers have events in train after their first in test: what is asked for"
        " may be known"
    ]


def _ordered(events: Events) -> tuple[Longs, Longs]:
    """Return the rows oldest first, and the times in that order: Unix seconds, or else places from 0."""
    places = np.zeros(len(events)) if events.order is None else events.order
    if events.times is not None:
        order = np.lexsort((places, events.times))
        return order, events.times[order] // MICROSECONDS
    if events.order is None:
        return np.arange(len(events)), np.arange(len(events))
    return np.argsort(places, kind="stable"), np.sort(np.unique(places, return_inverse=True)[1]).astype(np.int64)


def _first_met(side: _Side, n_products: int) -> Longs:
    """Return when each product was first met, shape (n_products,), int64; 0 where it never was."""
    first = np.zeros(n_products, np.int64)
    first[side.products[::-1]] = side.times[::-1]  # of several values for one place the last, here the earliest, stays
    return first


def _names(*ids: Column) -> Column:
    """Return all ids, sorted, each once: their places are the rows."""
    distinct = pc.unique(pa.chunked_array([pc.unique(each) for each in ids], pa.string()))
    return distinct.take(pc.sort_indices(distinct))
