"""The customer embedding: a weighted, time-decayed sum of product vectors, in the same space as these."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.clock import DAY
from services.customer.events import Events, Kind

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class EventWeights:
    """Weights of events in a customer's preferences, unitless.

    An event of age t in days counts weight · 2^(−t / half_life_days). A view of unknown or zero duration has the weight
    `view`. The weight of a view rises with its duration towards `long_view`:
    view + (long_view − view) · (1 − e^(−duration / dwell_scale_seconds)).
    """

    view: float = 1.0
    long_view: float = 2.0
    cart: float = 3.0
    purchase: float = 5.0
    dwell_scale_seconds: float = 30.0
    half_life_days: float = 60.0


DEFAULT_WEIGHTS = EventWeights()


def event_weights(events: Events, weights: EventWeights = DEFAULT_WEIGHTS) -> NDArray[np.float64]:
    """Return the weight of each event without decay by age, shape (n,), positive."""
    base = np.array([weights.view, weights.cart, weights.purchase])[events.kinds]
    dwell = np.maximum(np.nan_to_num(events.dwell_seconds), 0.0)
    extra = (weights.long_view - weights.view) * -np.expm1(-dwell / weights.dwell_scale_seconds)
    return np.asarray(np.where(events.kinds == Kind.VIEW, base + extra, base), dtype=np.float64)


def decayed_weights(events: Events, newest: NDArray[np.int64], weights: EventWeights) -> NDArray[np.float64]:
    """Return the weight of each event, decayed by its age at the customer's newest event, shape (n,).

    `newest` has the time of that newest event for each event, shape (n,), Unix seconds. Embeddings and shares do not
    depend on a common factor of the weights, so ages may be measured from the newest event instead of from now. Then
    weights do not underflow after a long absence, and preferences stay as on the customer's last day.
    """
    age = (newest - events.times) / (weights.half_life_days * DAY)
    return np.asarray(event_weights(events, weights) * np.exp2(-age), dtype=np.float64)


def customer_vector(events: Events, product_vectors: FloatArray, weights: EventWeights = DEFAULT_WEIGHTS) -> FloatArray:
    """Return the embedding of one customer.

    Parameters
    ----------
    events
        The customer's events. Events of unknown products (row negative or not below n_products) are left out.
    product_vectors
        Shape (n_products, d), float32.

    Returns
    -------
    ndarray of shape (d,), float32
        A vector of length 1, or zeros if no event has a product with a vector.
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
    import scipy.sparse as sp  # imported here, because it takes 0.2 s of CPU time at the start of the agent

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
    """Scale rows to length 1; rows of length close to 0, such as those without events, become zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-9)
    return np.asarray(unit, dtype=np.float32)
