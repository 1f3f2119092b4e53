"""The purchases of one customer, grouped by basket."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from services.customer.clock import DAYPARTS, daypart
from services.customer.events import Events
from services.customer.interests import Labels

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Baskets:
    """The baskets of one customer, ordered by time."""

    times: NDArray[np.int64]
    """Shape (n,), Unix seconds of the first line."""
    log_value: FloatArray
    """Shape (n,), log(1 + amount paid in minor units)."""
    log_price: FloatArray
    """Shape (n,), mean over the lines of log(1 + unit price in minor units); NaN for a basket without prices."""
    mix: FloatArray
    """Shape (n, codes): share of each category in the basket's lines; zeros if no category in the basket is known."""
    codes: NDArray[np.int32]
    """Category code of each column of `mix`."""

    def __len__(self) -> int:
        return len(self.times)

    def since(self, time: int) -> "Baskets":
        """Return the baskets at `time` and later."""
        start = int(np.searchsorted(self.times, time))
        parts = {field.name: getattr(self, field.name)[start:] for field in fields(self) if field.name != "codes"}
        return Baskets(**parts, codes=self.codes)

    def dayparts(self, utc_offset_seconds: int) -> FloatArray:
        """Return the part of the day of each basket, one-hot encoded, shape (n, 4)."""
        return np.asarray(np.eye(len(DAYPARTS))[daypart(self.times, utc_offset_seconds)], dtype=np.float64)


def baskets_of(events: Events, categories: Labels, until: int) -> Baskets:
    """Return the baskets of one customer's purchases up to the time `until` (Unix seconds, inclusive)."""
    bought = events.purchases
    bought = bought.select(bought.times <= until)
    numbers, basket = np.unique(bought.baskets, return_inverse=True)
    n = len(numbers)
    times = np.full(n, until, dtype=np.int64)
    np.minimum.at(times, basket, bought.times)
    value = np.bincount(basket, weights=bought.amounts, minlength=n)
    mix, codes = _mix(basket, categories.of(bought), n)
    order = np.argsort(times, kind="stable")
    log_value = np.log1p(np.maximum(value, 0.0))
    return Baskets(times[order], log_value[order], _log_price(basket, bought, n)[order], mix[order], codes)


def _log_price(basket: NDArray[np.int64], bought: Events, n: int) -> FloatArray:
    priced = (bought.quantities > 0) & (bought.amounts > 0)
    price = np.log1p(bought.amounts[priced] / bought.quantities[priced])
    total = np.bincount(basket[priced], weights=price, minlength=n)
    count = np.bincount(basket[priced], minlength=n)
    return np.asarray(np.divide(total, count, out=np.full(n, np.nan), where=count > 0), dtype=np.float64)


def _mix(basket: NDArray[np.int64], codes: NDArray[np.int32], n: int) -> tuple[FloatArray, NDArray[np.int32]]:
    known = codes >= 0
    found, column = np.unique(codes[known], return_inverse=True)
    lines = np.zeros((n, len(found)))
    np.add.at(lines, (basket[known], column), 1.0)
    return lines / np.maximum(lines.sum(axis=1, keepdims=True), 1.0), found
