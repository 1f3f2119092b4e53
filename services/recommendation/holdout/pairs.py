"""Distinct (customer, product) pairs, held so that a customer's products are a slice."""

from typing import Self

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask, Rows
from services.recommendation.algorithms.interactions import Interactions


class Pairs:
    """Distinct pairs, by customer and then by product.

    Parameters
    ----------
    keys : ndarray of shape (n_pairs,), int64
        customer · n_products + product, ascending, each once.
    n_customers, n_products : int
        Counts of rows.
    """

    def __init__(self, keys: Longs, n_customers: int, n_products: int) -> None:
        self.keys = keys
        self.n_customers = n_customers
        self.n_products = n_products
        self.products: Rows = (keys % max(n_products, 1)).astype(np.int32)
        self._bounds = np.searchsorted(keys, np.arange(n_customers + 1, dtype=np.int64) * n_products)

    @classmethod
    def of(cls, data: Interactions, events: Mask | Longs | slice = slice(None)) -> Self:
        """Return the pairs of the events that `events` selects."""
        return cls(np.unique(keys_of(data)[events]), data.n_customers, data.n_products)

    @property
    def customers(self) -> Rows:
        """Rows of the customers that have a pair, ascending, each once."""
        return np.flatnonzero(np.diff(self._bounds)).astype(np.int32)

    def of_customer(self, customer: int) -> Rows:
        """Return the rows of one customer's products, ascending."""
        return self.products[self._bounds[customer] : self._bounds[customer + 1]]

    def where(self, mask: Mask) -> "Pairs":
        """Return the pairs that `mask` (shape (n_pairs,)) selects."""
        return Pairs(self.keys[mask], self.n_customers, self.n_products)

    def without(self, other: "Pairs") -> "Pairs":
        """Return the pairs that `other` does not have."""
        return self.where(~np.isin(self.keys, other.keys, assume_unique=True))


def keys_of(data: Interactions) -> Longs:
    """Return the number of the (customer, product) pair of each event, shape (n_events,), int64."""
    return data.customers.astype(np.int64) * data.n_products + data.products
