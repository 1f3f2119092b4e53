"""A shop whose products are embedded, for tests of the customer agent."""

import numpy as np

from shared.db import models, product_embeddings
from shared.db.engine import Database
from tests.support.events import Price, add_products

SPACE = "embedding_space"
PRODUCTS: dict[str, Price] = {"a1": (500, "USD"), "a2": (700, "USD"), "b1": (100, "USD"), "b2": None}
"""Two categories, `category a` and `category b`; prices in minor units."""
VECTORS = {"a1": (1, 0, 0), "a2": (0.8, 0.6, 0), "b1": (0, 0, 1)}
"""Embeddings; `b2` has none."""


def open_shop(database: Database) -> dict[str, int]:
    """Add the products, embed them, and return their keys."""
    keys = add_products(database, PRODUCTS)
    embed_products(database, keys, "v1")
    return keys


def embed_products(database: Database, keys: dict[str, int], version: str, scale: float = 1.0) -> None:
    """Store embeddings in a space and put it in force; `scale` turns the second axis round when negative."""
    vectors = np.array(list(VECTORS.values()), dtype=np.float32) * np.array([1, scale, 1], dtype=np.float32)
    with database.write() as connection:
        product_embeddings.store_embeddings(connection, version, [keys[name] for name in VECTORS], vectors)
    models.save_model(database, SPACE, version, b"space", {})
