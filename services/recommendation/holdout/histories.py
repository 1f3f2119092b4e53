"""The history of every customer, sorted once and then sliced."""

import numpy as np

from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.algorithms.shopper import Shopper
from shared.grouped_order import time_order

FIELDS = ("products", "kinds", "quantities", "times", "baskets")


class CustomerHistories:
    """Makes shoppers of customers; events of the same time keep the order of the data.

    Parameters
    ----------
    data : Interactions
        All that is known.
    now : int
        The moment at which the shoppers ask.
    """

    def __init__(self, data: Interactions, now: int) -> None:
        order = time_order(data.customers, data.times)
        self._now = now
        self._data = data
        self._events = {name: getattr(data, name)[order] for name in FIELDS}
        self._bounds = np.searchsorted(data.customers[order], np.arange(data.n_customers + 1))

    def shopper(self, customer: int) -> Shopper:
        """Return a customer with all their events, oldest first."""
        own = slice(self._bounds[customer], self._bounds[customer + 1])
        history = {name: array[own] for name, array in self._events.items()}
        return Shopper(now=self._now, groups=groups_of(self._data, customer), **history)


def groups_of(data: Interactions, customer: int) -> dict[str, int]:
    """Return the known codes of a customer's groups."""
    return {name: int(codes[customer]) for name, codes in data.groups.items() if codes[customer] >= 0}
