"""Small data sets for the tests of the evaluation."""

from collections.abc import Iterable

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.base import Interactions, Kind

DAY = 86_400
Event = tuple[int, int, Kind, int, int]
"""Customer, product, kind, time, basket."""

VIEW, CART, PURCHASE = Kind


def rows(*products: int) -> Rows:
    return np.array(products, dtype=np.int32)


def lists(*of_question: Iterable[int]) -> Rows:
    return np.array(list(map(list, of_question)), dtype=np.int32)


def bought(customer: int, product: int, time: int, basket: int | None = None) -> Event:
    return customer, product, PURCHASE, time, time if basket is None else basket


def viewed(customer: int, product: int, time: int, basket: int | None = None) -> Event:
    return customer, product, VIEW, time, time if basket is None else basket


def events(*of: Event, n_customers: int = 5, n_products: int = 8, now: int = 100) -> Interactions:
    customers, products, kinds, times, baskets = np.array(of, dtype=np.int64).reshape(-1, 5).T
    return Interactions.of(
        customers,
        products,
        n_customers=n_customers,
        n_products=n_products,
        now=now,
        kinds=kinds,
        times=times,
        baskets=baskets,
    )


def at_random(seed: int, *, n_events: int = 300, n_customers: int = 20, n_products: int = 25) -> Interactions:
    """Events of all kinds; times repeat, so there are equals to settle."""
    rng = np.random.default_rng(seed)
    customers = rng.integers(0, n_customers, n_events)
    times = rng.integers(0, 60, n_events)
    return Interactions.of(
        customers,
        rng.integers(0, n_products, n_events),
        n_customers=n_customers,
        n_products=n_products,
        now=60,
        kinds=rng.integers(0, 3, n_events),
        times=times,
        baskets=customers * 60 + times,
        groups={"region": rng.integers(-1, 3, n_customers)},
    )


def two_tastes(seed: int = 0, *, n_customers: int = 120, n_products: int = 40, each: int = 8) -> Interactions:
    """Even customers buy even products, odd customers odd ones; each product and each customer the same amount."""
    rng = np.random.default_rng(seed)
    own = [rng.permutation(n_products // 2)[:each] * 2 + customer % 2 for customer in range(n_customers)]
    customers = np.repeat(np.arange(n_customers), each)
    times = np.arange(len(customers)) % (90 * DAY)
    return Interactions.of(
        customers,
        np.concatenate(own),
        n_customers=n_customers,
        n_products=n_products + 1,  # the last is never met
        now=90 * DAY,
        times=times,
        baskets=np.arange(len(customers)),
    )
