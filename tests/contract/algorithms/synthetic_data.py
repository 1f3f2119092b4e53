"""Small data sets whose right answers are known without a reference run."""

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import as_csr
from services.recommendation.algorithms.base import Interactions, Kind, Shopper
from services.recommendation.algorithms.interactions import DAY

NOW = 1_700_000_000


def checkerboard(size: int) -> Interactions:
    """Shoppers like the products of their own parity, one a day in their own order; one is hidden from each."""
    pairs = [(u, i) for u in range(size) for i in range(size) if (u - i) % 2 == 0 and u != i]
    customers, products = np.array(pairs).T
    times = NOW - (1 + (7 * products + 3 * customers) % size) * DAY
    return Interactions.of(customers, products, n_customers=size, n_products=size, now=NOW, times=times)


def shop(seed: int = 0, *, n_customers: int = 40, n_products: int = 30, n_events: int = 600) -> Interactions:
    """A shop at random, with everything that an algorithm may learn from."""
    rng = np.random.default_rng(seed)
    related = sp.random_array((n_products, n_products), density=0.2, rng=rng, dtype=np.float32)
    customers = rng.integers(0, n_customers, n_events)
    return Interactions.of(
        customers,
        rng.integers(0, n_products, n_events),
        n_customers=n_customers,
        n_products=n_products,
        now=NOW,
        kinds=rng.integers(0, 3, n_events),
        times=NOW - rng.integers(0, 90 * DAY, n_events),
        baskets=customers * 5 + rng.integers(0, 5, n_events),
        groups={"region": rng.integers(-1, 3, n_customers), "age": rng.integers(-1, 4, n_customers)},
        embeddings=rng.normal(size=(n_products, 8)),
        added=NOW - rng.integers(0, 100, n_products) * DAY,
        similar=as_csr(related),
        complementary=as_csr(related.T),
        category=rng.integers(-1, 4, n_products),
    )


def shopper_of(data: Interactions, customer: int) -> Shopper:
    """The customer as a shopper who asks at the moment of training, with no session yet."""
    own = np.flatnonzero(data.customers == customer)
    own = own[np.argsort(data.times[own], kind="stable")]
    return Shopper(
        now=data.now,
        products=data.products[own],
        kinds=data.kinds[own],
        quantities=data.quantities[own],
        times=data.times[own],
        baskets=data.baskets[own],
        groups={name: int(codes[customer]) for name, codes in data.groups.items()},
    )


def browsing(*session: int, current: int | None = None, cart: tuple[int, ...] = ()) -> Shopper:
    """A shopper without history in the middle of a session."""
    return Shopper(
        now=NOW, session=np.array(session, dtype=np.int32), current=current, cart=np.array(cart, dtype=np.int32)
    )


def buyer(*purchases: tuple[int, float], now: int = NOW) -> Shopper:
    """A shopper who bought products so many days ago, each in a basket of its own; given oldest first."""
    products, days = np.array(purchases).T
    return Shopper(
        now=now,
        products=products.astype(np.int32),
        kinds=np.full(len(products), Kind.PURCHASE, dtype=np.int8),
        quantities=np.ones(len(products), dtype=np.float32),
        times=(now - days * DAY).astype(np.int64),
        baskets=np.arange(len(products), dtype=np.int32),
    )
