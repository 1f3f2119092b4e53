"""Purchase cadence: how often a customer buys, and which products are due to be bought again."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.clock import DAY, day
from services.customer.events import Events

MIN_PURCHASES = 3
"""Smallest number of days with a purchase of a product for an interval to be computed."""
LAPSED_AFTER = 3.0
"""After this many intervals without a purchase the customer is assumed to have stopped buying the product."""


@dataclass(frozen=True)
class DueProduct:
    """A product that the customer buys repeatedly and whose next purchase is due."""

    product: int
    """Row of the product."""
    interval_days: float
    """Median number of days between consecutive purchase days."""
    last_bought: int
    """Time of the last purchase in Unix seconds."""
    due: int
    """Time of the last purchase plus the interval, in Unix seconds."""
    purchases: int
    """Number of days on which the product was bought."""


@dataclass(frozen=True)
class PurchaseCadence:
    """How regularly a customer buys, and the due products."""

    interval_days: float | None
    """Median number of days between consecutive days with a purchase; None with fewer than two such days."""
    purchase_days: int
    """Number of days with a purchase."""
    due: tuple[DueProduct, ...]
    """The due products, most overdue first; overdue time is measured in the product's intervals."""


def cadence(
    events: Events, now: int, utc_offset_seconds: int = 0, horizon_days: float = 0.0, top: int = 20
) -> PurchaseCadence:
    """Return the cadence of one customer's purchases.

    A product is due if its next purchase is expected up to `now` plus the horizon, and at most three intervals have
    passed since the last purchase.

    Parameters
    ----------
    events
        The customer's events in any order; only purchases count.
    now
        Current time in Unix seconds, UTC. Later purchases are left out.
    utc_offset_seconds
        Added to the times before days are computed.
    horizon_days
        How long after `now` an expected purchase still counts as due.
    top
        Largest number of products in `due`.
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
    """Yield each product with at least `MIN_PURCHASES` lines, and the times of its lines, ascending."""
    order = np.lexsort((bought.times, bought.products))
    products, starts, lines = np.unique(bought.products[order], return_index=True, return_counts=True)
    for i in np.flatnonzero((products >= 0) & (lines >= MIN_PURCHASES)):
        yield int(products[i]), bought.times[order[starts[i] : starts[i] + lines[i]]]


def _due(product: int, times: NDArray[np.int64], utc_offset_seconds: int) -> DueProduct | None:
    """Return when a product bought at `times` (ascending) is due, or None if it was bought on too few days."""
    days = day(times, utc_offset_seconds)
    gaps = np.diff(days)
    gaps = gaps[gaps > 0]
    if len(gaps) < MIN_PURCHASES - 1:
        return None
    interval, last = float(np.median(gaps)), int(times[-1])
    return DueProduct(product, interval, last, last + round(interval * DAY), len(gaps) + 1)


def _overdue(due: DueProduct, now: int) -> float:
    """Return the number of intervals since the product was due; negative before that time."""
    return (now - due.due) / (due.interval_days * DAY)


def _is_due(due: DueProduct, now: int, horizon_days: float) -> bool:
    return due.due <= now + horizon_days * DAY and _overdue(due, now) <= LAPSED_AFTER - 1.0
