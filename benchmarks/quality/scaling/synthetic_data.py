"""Synthetic data: tastes, best-sellers by a power law, sessions, customers and events growing with the catalogue."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.interactions import DAY, Interactions, Kind

CUSTOMERS_A_PRODUCT = 10
EVENTS_A_CUSTOMER = 10
EVENTS_A_SESSION = 3
TASTES = 2
"""Tastes of each customer."""
PRODUCTS_A_TASTE = 50
LOYALTY = 0.8
"""Share of the events within the customer's tastes; the others follow the best-sellers of the whole catalogue."""
POWER = 0.9
"""A product's popularity falls with its rank to this power."""
KINDS = {Kind.VIEW: 0.75, Kind.CART: 0.10, Kind.PURCHASE: 0.15}
DIMENSIONS = 64
DAYS = 180
NOW = 1_700_000_000


def synthetic_data(
    n_products: int,
    seed: int = 0,
    *,
    n_customers: int | None = None,
    n_events: int | None = None,
    activity_spread: float = 0.0,
) -> Interactions:
    """Return the interactions of half a year.

    Parameters
    ----------
    n_products : int
        Size of the catalogue.
    seed : int
        Seed of everything by chance.
    n_customers, n_events : int, optional
        Default: 10 customers a product, and 10 events a customer.
    activity_spread : float
        Standard deviation of the logarithm of how active a customer is; 0 makes all equally active.
    """
    rng = np.random.default_rng(seed)
    n_customers = CUSTOMERS_A_PRODUCT * n_products if n_customers is None else n_customers
    n_events = EVENTS_A_CUSTOMER * n_customers if n_events is None else n_events
    n_tastes = max(1, n_products // PRODUCTS_A_TASTE)
    taste = np.sort(rng.integers(0, n_tastes, n_products)).astype(np.int32)
    customers, baskets, times = _visits(rng, n_customers, n_events, activity_spread)
    return Interactions.of(
        customers,
        _products(rng, taste, customers, n_customers, n_tastes),
        n_customers=n_customers,
        n_products=n_products,
        now=NOW,
        kinds=rng.choice(len(Kind), len(customers), p=[KINDS[kind] for kind in Kind]),
        times=times,
        baskets=baskets,
        embeddings=_embeddings(rng, taste, n_tastes),
        added=NOW - rng.integers(0, 2 * DAYS, n_products) * DAY,
        category=taste,
    )


def _visits(
    rng: np.random.Generator, n_customers: int, n_events: int, activity_spread: float
) -> tuple[Rows, Rows, Longs]:
    """Return customer, session and time of each event, oldest first."""
    n_sessions = n_events // EVENTS_A_SESSION
    began = np.sort(NOW - rng.integers(1, DAYS * DAY, n_sessions))
    visitor = _visitors(rng, n_customers, n_sessions, activity_spread)
    sessions = np.sort(rng.integers(0, n_sessions, n_events)).astype(np.int32)
    place = np.arange(n_events) - np.searchsorted(sessions, sessions)
    return visitor[sessions], sessions, np.minimum(began[sessions] + 60 * place, NOW - 1)


def _visitors(rng: np.random.Generator, n_customers: int, n_sessions: int, activity_spread: float) -> Rows:
    """Return the customer of each session."""
    if not activity_spread:
        return rng.integers(0, n_customers, n_sessions).astype(np.int32)
    heaped = np.cumsum(rng.lognormal(0.0, activity_spread, n_customers))
    drawn = np.searchsorted(heaped, heaped[-1] * rng.random(n_sessions), "right")
    visitors: Rows = np.minimum(drawn, n_customers - 1).astype(np.int32)
    return visitors


def _products(rng: np.random.Generator, taste: Rows, customers: Rows, n_customers: int, n_tastes: int) -> Rows:
    """Return the product of each event: one of the customer's tastes, else of the whole catalogue, by popularity."""
    popularity = (1.0 + rng.permutation(len(taste))) ** -POWER
    heaped = np.append(0.0, np.cumsum(popularity))
    tastes = rng.integers(0, n_tastes, (n_customers, TASTES))
    chosen = tastes[customers, rng.integers(0, TASTES, len(customers))]
    loyal = rng.random(len(customers)) < LOYALTY
    # The products of a taste stand together, so that a taste is a stretch of the heap.
    first, last = (np.searchsorted(taste, np.arange(n_tastes), side) for side in ("left", "right"))
    low = np.where(loyal, heaped[first[chosen]], 0.0)
    high = np.where(loyal, heaped[last[chosen]], heaped[-1])
    drawn = low + (high - low) * rng.random(len(customers))
    return np.clip(np.searchsorted(heaped, drawn, "right") - 1, 0, len(taste) - 1).astype(np.int32)


def _embeddings(rng: np.random.Generator, taste: Rows, n_tastes: int) -> FloatArray:
    centres: NDArray[np.float64] = rng.standard_normal((n_tastes, DIMENSIONS))
    vectors = centres[taste] + 0.5 * rng.standard_normal((len(taste), DIMENSIONS))
    unit: FloatArray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit
