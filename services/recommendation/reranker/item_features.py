"""Features of products that do not depend on the shopper: popularity, trend, age, and how often they are rebought."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.algorithms.interactions import DAY, Interactions, Kind, sorted_columns

RECENT = 20
"""The recent past is this fraction of the time span; the latest past a third of it."""
PRIOR = 5.0
"""Weight of the overall rate in each product's rate, in customers."""
USUAL_GAP_DAYS = 30.0
"""Days between purchases where nobody has bought anything twice."""
NAMES = ("popularity", "conversion", "recent", "latest", "trend", "age", "repeaters", "repeats", "gap")


@dataclass(frozen=True, eq=False)
class ItemFeatures:
    """Features of all products.

    Parameters
    ----------
    values : ndarray of shape (n_products, len(NAMES)), float32
        ============  ========================================================================
        popularity    log(1 + events of the target kind)
        conversion    events of the target kind for each view, shrunk
        recent        log(1 + events of the target kind in the last twentieth of the time)
        latest        the same in the last sixtieth
        trend         recent events over those to be expected from all time
        age           days since the first event
        repeaters     share of the customers who came back to the product, shrunk
        repeats       events a customer, shrunk
        gap           mean days between events of one customer, shrunk to that of all products
        ============  ========================================================================
    """

    values: FloatArray

    @classmethod
    def of(cls, data: Interactions, target: Kind, timed: bool) -> Self:
        """Return the features that `data` gives; those of time are 0 where the data has no times (`timed` is false)."""
        wanted = data.kinds == target
        count = np.bincount(data.products[wanted], minlength=data.n_products).astype(np.float64)
        views = np.bincount(data.products[data.kinds == Kind.VIEW], minlength=data.n_products)
        conversion = (count + 1.0) / (views + 10.0) if target is not Kind.VIEW else np.zeros(data.n_products)
        columns = [np.log1p(count), conversion, *_of_time(data, wanted, count, timed), *_of_return(data, wanted)]
        gaps = _gaps(data, wanted) if timed else np.full(data.n_products, USUAL_GAP_DAYS)
        return cls(np.stack([*columns, gaps], axis=1).astype(np.float32))

    def require(self, n_products: int) -> None:
        """Raise ValueError if these do not belong to `n_products` products."""
        if self.values.shape != (n_products, len(NAMES)):
            raise ValueError(f"item features: must have shape ({n_products}, {len(NAMES)}), got {self.values.shape}")

    @cached_property
    def unmet(self) -> Mask:
        """Which products had no event of the target kind, shape (n_products,)."""
        unmet: Mask = self.values[:, NAMES.index("popularity")] == 0
        return unmet

    @property
    def gap(self) -> FloatArray:
        """Days between events of one customer with the product, shape (n_products,)."""
        return self.values[:, NAMES.index("gap")]


def _of_time(data: Interactions, wanted: Mask, count: NDArray[np.float64], timed: bool) -> list[NDArray[np.float64]]:
    if not timed or not len(data.times):
        return [np.zeros(data.n_products)] * 4
    span = max(int(data.times.max()) - int(data.times.min()), 1)
    recent, latest = (
        np.bincount(data.products[wanted & (data.times > data.now - span / part)], minlength=data.n_products)
        for part in (RECENT, 3 * RECENT)
    )
    first = np.full(data.n_products, data.now, np.int64)
    np.minimum.at(first, data.products, data.times)
    return [np.log1p(recent), np.log1p(latest), (recent + 1.0) / (count / RECENT + 1.0), (data.now - first) / DAY]


def _of_return(data: Interactions, wanted: Mask) -> list[NDArray[np.float64]]:
    """Return the share of customers who came back, and events a customer."""
    pairs, counts = np.unique(_pairs(data, wanted), return_counts=True)
    products = pairs % data.n_products
    customers, back, events = (
        np.bincount(products, weights, data.n_products) for weights in (None, counts > 1, counts.astype(np.float64))
    )
    overall = back.sum() / max(customers.sum(), 1.0)
    return [(back + PRIOR * overall) / (customers + PRIOR), (events + 1.0) / (customers + 1.0)]


def _gaps(data: Interactions, wanted: Mask) -> NDArray[np.float64]:
    """Return the geometric mean of the days between a customer's days with a product."""
    pairs, days = sorted_columns(_pairs(data, wanted), data.times[wanted] // DAY)
    again = (pairs[1:] == pairs[:-1]) & (days[1:] > days[:-1])
    logs, products = np.log(np.diff(days)[again].astype(np.float64)), pairs[1:][again] % data.n_products
    usual = float(logs.mean()) if len(logs) else np.log(USUAL_GAP_DAYS)
    count = np.bincount(products, minlength=data.n_products)
    gaps: NDArray[np.float64] = np.exp((np.bincount(products, logs, data.n_products) + PRIOR * usual) / (count + PRIOR))
    return gaps


def _pairs(data: Interactions, wanted: Mask) -> Longs:
    return data.customers[wanted].astype(np.int64) * data.n_products + data.products[wanted]
