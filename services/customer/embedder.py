"""Updates the stored customer embeddings from the customers' events."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from services.customer.customer_history import events_of
from services.customer.embedding import customer_vectors
from shared.db import customer_embeddings, event_log, models, product_embeddings
from shared.db.batches import batches
from shared.db.engine import Connection, Database
from shared.db.interactions import InteractionRows, interactions_of
from shared.db.product_embeddings import EmbeddingMatrix

SPACE = "embedding_space"
CUSTOMERS_AT_ONCE = 100


def update_embeddings(database: Database, customer_keys: Collection[int]) -> int:
    """Compute and store the embeddings of customers from all their events; return the number of those with one.

    Safe to repeat. A customer has no embedding if none of their products has one. Before the first refresh of the
    catalogue there is no embedding space, so nothing is stored.
    """
    updated = 0
    for some in batches(sorted(customer_keys), CUSTOMERS_AT_ONCE):
        with database.read() as connection:
            space_version = active_space(connection)
            if space_version is None:
                return 0
            applied = event_log.cursor(connection, event_log.CUSTOMER_CONSUMER)
            found = interactions_of(connection, some)
            met = np.unique(found.products).tolist()
            products = product_embeddings.read_embeddings(connection, met, space_version)
        vectors = embed(found, np.array(some, dtype=np.int64), products)
        updated += _store(database, space_version, some, vectors, applied)
    return updated


def active_space(connection: Connection) -> str | None:
    """Return the version of the active embedding space of the products; None before the first refresh."""
    return models.active_version(connection, SPACE)


def embed(found: InteractionRows, customers: NDArray[np.int64], products: EmbeddingMatrix) -> NDArray[np.float32]:
    """Return the embedding of each customer, shape (customers, d), float32; zeros without an embedded product.

    Parameters
    ----------
    found
        Interactions of these customers.
    customers
        Customer keys, ascending; every customer in `found` is among them.
    products
        Embeddings of the products.
    """
    rows = rows_of(found.products, products.keys)
    customer_rows = np.searchsorted(customers, found.customers).astype(np.int32)
    return customer_vectors(customer_rows, events_of(found, rows, found.amounts), products.vectors, len(customers))


def rows_of(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each key in `known`, which ascend, shape (n,), int64; −1 for a key that is not in it."""
    if not len(known):
        return np.full(len(keys), -1, dtype=np.int64)
    rows = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[rows] == keys, rows, -1)


def _store(
    database: Database, space_version: str, keys: Sequence[int], vectors: NDArray[np.float32], applied: int
) -> int:
    known = np.flatnonzero(vectors.any(axis=1)).tolist()
    embedded = [keys[row] for row in known]
    with database.write() as connection:
        customer_embeddings.store_embeddings(connection, space_version, embedded, vectors[known], applied)
        customer_embeddings.drop_embeddings(connection, set(keys) - set(embedded))
    return len(known)
