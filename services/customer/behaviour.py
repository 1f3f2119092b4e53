"""Behaviour features of all customers, from which the clusters are learned."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.clock import DAY, DAYPARTS, WEEKDAYS, daypart, weekday
from services.customer.events import Events, Kind
from services.customer.interests import Labels
from services.customer.rfm import rfm_values

FloatArray = NDArray[np.float64]

FEATURES = (
    "purchases_per_month",
    "basket_value",
    "basket_lines",
    "recency_days",
    "price_level",
    "category_variety",
    "views_per_purchase",
    "night_share",
    "morning_share",
    "evening_share",
    "weekend_share",
)
"""Columns of `behaviour`. Shares are from 0 to 1 and `category_variety` is an entropy in nats.

The others are log(1 + x), because x is skewed; `price_level` is the mean of log(1 + unit price in minor units).
"""

MONTH = 30.0


@dataclass(frozen=True, eq=False)
class _Group:
    """Computes sums and means of event values by customer."""

    customers: NDArray[np.int32]
    n: int

    def total(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.bincount(self.customers, weights=values, minlength=self.n), dtype=np.float64)

    def mean(self, values: FloatArray) -> FloatArray:
        return _ratio(self.total(values), self.total(np.ones(len(values))))


def behaviour(
    customers: NDArray[np.int32], events: Events, n_customers: int, now: int, categories: Labels
) -> FloatArray:
    """Return the behaviour features of all customers.

    Parameters
    ----------
    customers
        Shape (n,), int32: the row of each event's customer, from 0 to n_customers − 1.
    now
        Unix seconds, UTC; later events are left out.
    categories
        Category of each product row.

    Returns
    -------
    ndarray of shape (n_customers, len(FEATURES)), float64
        NaN if a customer has no events that the feature is computed from; a customer without events has a row of NaN.
    """
    past = events.times <= now
    customers, events = customers[past], events.select(past)
    columns = (
        *_purchasing(customers, events, n_customers, now),
        _variety(customers, events, n_customers, categories),
        _browsing(customers, events, n_customers),
        *_timing(_Group(customers, n_customers), events),
    )
    return np.stack(columns, axis=1)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0), dtype=np.float64)


def _purchasing(customers: NDArray[np.int32], events: Events, n: int, now: int) -> tuple[FloatArray, ...]:
    """Return the first five columns of `FEATURES`, each of shape (n,)."""
    rfm = rfm_values(customers, events, n, now)
    bought = events.kinds == Kind.PURCHASE
    lines, group = events.select(bought), _Group(customers[bought], n)
    first = np.full(n, now, dtype=np.int64)
    np.minimum.at(first, group.customers, lines.times)
    months = np.maximum((now - first) / DAY, MONTH) / MONTH
    price = np.log1p(np.maximum(_ratio(lines.amounts.astype(np.float64), lines.quantities), 0.0))
    return (
        np.log1p(np.where(rfm.active, rfm.frequency, np.nan) / months),
        np.log1p(np.maximum(_ratio(rfm.monetary, rfm.frequency), 0.0)),
        np.log1p(_ratio(group.total(np.ones(len(lines))), rfm.frequency)),
        np.log1p(rfm.recency_days),
        _Group(group.customers[np.isfinite(price)], n).mean(price[np.isfinite(price)]),
    )


def _variety(customers: NDArray[np.int32], events: Events, n: int, categories: Labels) -> FloatArray:
    """Return the entropy of each customer's categories, shape (n,): the logarithm of their effective number."""
    codes = categories.of(events)
    known = codes >= 0
    pairs = customers[known].astype(np.int64) * max(len(categories.names), 1) + codes[known]
    pair, counts = np.unique(pairs, return_counts=True)
    group = _Group((pair // max(len(categories.names), 1)).astype(np.int32), n)
    totals = group.total(counts.astype(np.float64))
    share = counts / totals[group.customers]
    return np.asarray(np.where(totals > 0, group.total(-share * np.log(share)), np.nan), dtype=np.float64)


def _browsing(customers: NDArray[np.int32], events: Events, n: int) -> FloatArray:
    group = _Group(customers, n)
    views, bought = (group.total((events.kinds == kind).astype(np.float64)) for kind in (Kind.VIEW, Kind.PURCHASE))
    seen = group.total(np.ones(len(events))) > 0
    return np.asarray(np.log1p(np.where(seen, views / (bought + 1.0), np.nan)), dtype=np.float64)


def _timing(group: _Group, events: Events) -> tuple[FloatArray, ...]:
    """Return the shares of events at night, in the morning, in the evening and at weekends."""
    part = daypart(events.times)
    masks = [part == DAYPARTS.index(name) for name in ("night", "morning", "evening")]
    masks.append(weekday(events.times) >= WEEKDAYS.index("saturday"))
    return tuple(group.mean(mask.astype(np.float64)) for mask in masks)
