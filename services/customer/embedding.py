"""The customer embedding: a weighted, time-decayed sum of product vectors, so it lies in the space of the products."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.clock import DAY
from services.customer.events import Events, Kind

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class EventWeights:
    """How much an event says about a customer's preferences.

    An event of age t counts weight · 2^(−t / half_life_days). A view of unknown or no duration weighs `view`; with the
    duration the weight rises to `long_view`: view + (long_view − view) · (1 − e^(−duration / dwell_scale_seconds)).
    """

    view: float = 1.0
    long_view: float = 2.0
    cart: float = 3.0
    purchase: float = 5.0
    dwell_scale_seconds: float = 30.0
    half_life_days: float = 60.0


DEFAULT_WEIGHTS = EventWeights()


def event_weights(events: Events, weights: EventWeights = DEFAULT_WEIGHTS) -> NDArray[np.float64]:
    """Return the weight of each event without its age, shape (n,), positive."""
    base = np.array([weights.view, weights.cart, weights.purchase])[events.kinds]
    dwell = np.maximum(np.nan_to_num(events.dwell_seconds), 0.0)
    extra = (weights.long_view - weights.view) * -np.expm1(-dwell / weights.dwell_scale_seconds)
    return np.asarray(np.where(events.kinds == Kind.VIEW, base + extra, base), dtype=np.float64)


def decayed_weights(events: Events, newest: NDArray[np.int64], weights: EventWeights) -> NDArray[np.float64]:
    """Return the weight of each event at the time of its customer's newest event, shape (n,).

    Vectors and shares do not depend on a common factor, so only ages relative to each other matter: a customer who was
    away for a year has the same preferences as on the last day, and no weight underflows because of the absence.
    """
    age = (newest - events.times) / (weights.half_life_days * DAY)
    return np.asarray(event_weights(events, weights) * np.exp2(-age), dtype=np.float64)


def customer_vector(events: Events, product_vectors: FloatArray, weights: EventWeights = DEFAULT_WEIGHTS) -> FloatArray:
    """Return the embedding of one customer.

    Parameters
    ----------
    events
        The customer's events; those of unknown products (row negative or beyond the vectors) are left out.
    product_vectors
        Shape (n_products, d), float32.

    Returns
    -------
    ndarray of shape (d,), float32
        Length 1, or all zero without any event of a product that has a vector.
    """
    events = events.select(_with_vector(events, product_vectors))
    if not len(events):
        return np.zeros(product_vectors.shape[1], dtype=np.float32)
    weight = decayed_weights(events, np.broadcast_to(events.times.max(), len(events)), weights)
    total = weight[None, :] @ product_vectors[events.products].astype(np.float64)
    return np.asarray(_normalised(total)[0], dtype=np.float32)


def customer_vectors(
    customers: NDArray[np.int32],
    events: Events,
    product_vectors: FloatArray,
    n_customers: int,
    weights: EventWeights = DEFAULT_WEIGHTS,
) -> FloatArray:
    """Return the embeddings of all customers at once, shape (n_customers, d), float32; see `customer_vector`.

    Parameters
    ----------
    customers
        Shape (n,), int32: the row of each event's customer, from 0 to n_customers − 1.
    """
    import scipy.sparse as sp  # .2 s of CPU: the agent starts without it

    known = _with_vector(events, product_vectors)
    customers, events = customers[known], events.select(known)
    newest = np.full(n_customers, np.iinfo(np.int64).min)
    np.maximum.at(newest, customers, events.times)
    weight = decayed_weights(events, newest[customers], weights)
    profile = sp.csr_matrix((weight, (customers, events.products)), shape=(n_customers, len(product_vectors)))
    return _normalised(np.asarray(profile @ product_vectors.astype(np.float64)))


def _with_vector(events: Events, product_vectors: FloatArray) -> NDArray[np.bool_]:
    return (events.products >= 0) & (events.products < len(product_vectors))


def _normalised(vectors: NDArray[np.float64]) -> FloatArray:
    """Scale rows to length 1; opposite vectors that cancel out, and rows without events, become zero."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-9)
    return np.asarray(unit, dtype=np.float32)
