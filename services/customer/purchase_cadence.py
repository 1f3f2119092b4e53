"""How often a customer buys, and which products are due to be bought again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.clock import DAY, day
from services.customer.events import Events

MIN_PURCHASES = 3
"""Days with a purchase of a product before its interval means anything."""
LAPSED_AFTER = 3.0
"""Intervals without a purchase after which the customer is taken to have given the product up."""


@dataclass(frozen=True)
class DueProduct:
    """A product that this customer buys again and again, and whose next purchase is due."""

    product: int
    """Row of the product."""
    interval_days: float
    """Median days between the days it was bought."""
    last_bought: int
    """Unix seconds."""
    due: int
    """Unix seconds: last purchase plus interval."""
    purchases: int
    """Number of days it was bought, which the interval rests on."""


@dataclass(frozen=True)
class PurchaseCadence:
    """How regularly a customer buys."""

    interval_days: float | None
    """Median days between days with a purchase; None with fewer than two such days."""
    purchase_days: int
    """Number of days with a purchase, which the interval rests on."""
    due: tuple[DueProduct, ...]
    """Most overdue first, measured in the product's own intervals."""


def cadence(
    events: Events, now: int, utc_offset_seconds: int = 0, horizon_days: float = 0.0, top: int = 20
) -> PurchaseCadence:
    """Return the cadence of one customer's purchases.

    A product is due when its next purchase is expected before `now` plus the horizon, and it has not lapsed: three
    intervals have not passed since the last one.

    Parameters
    ----------
    events
        The customer's events in any order; only purchases count.
    now
        Unix seconds, UTC. Later purchases are left out.
    utc_offset_seconds
        Added to the times before they are cut into days.
    horizon_days
        How far ahead of `now` a purchase may be expected.
    top
        Most products in `due`.
    """
    bought = events.purchases
    bought = bought.select(bought.times <= now)
    days = np.unique(day(bought.times, utc_offset_seconds))
    interval = float(np.median(np.diff(days))) if len(days) > 1 else None
    candidates = (_due(product, times, utc_offset_seconds) for product, times in _repeated(bought))
    products = [due for due in candidates if due is not None and _is_due(due, now, horizon_days)]
    products.sort(key=lambda due: (-_overdue(due, now), due.product))
    return PurchaseCadence(interval, len(days), tuple(products[:top]))


def _repeated(bought: Events) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each product with enough lines to be worth a closer look, and the times of its lines, ascending."""
    order = np.lexsort((bought.times, bought.products))
    products, starts, lines = np.unique(bought.products[order], return_index=True, return_counts=True)
    for i in np.flatnonzero((products >= 0) & (lines >= MIN_PURCHASES)):
        yield int(products[i]), bought.times[order[starts[i] : starts[i] + lines[i]]]


def _due(product: int, times: NDArray[np.int64], utc_offset_seconds: int) -> DueProduct | None:
    """Return when a product bought at `times` (ascending) is due, or None when it was bought on too few days."""
    days = day(times, utc_offset_seconds)
    gaps = np.diff(days)
    gaps = gaps[gaps > 0]
    if len(gaps) < MIN_PURCHASES - 1:
        return None
    interval, last = float(np.median(gaps)), int(times[-1])
    return DueProduct(product, interval, last, last + round(interval * DAY), len(gaps) + 1)


def _overdue(due: DueProduct, now: int) -> float:
    """Return the intervals that have passed since the product was due, negative before."""
    return (now - due.due) / (due.interval_days * DAY)


def _is_due(due: DueProduct, now: int, horizon_days: float) -> bool:
    return due.due <= now + horizon_days * DAY and _overdue(due, now) <= LAPSED_AFTER - 1.0
