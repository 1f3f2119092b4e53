"""Keeps the current embeddings of the catalogue in memory, for similar products that the last refresh lacks."""

import threading

import numpy as np
from numpy.typing import NDArray

from services.product.spaces import active_version
from shared.db import product_embeddings, products
from shared.db.engine import Connection
from shared.db.product_embeddings import EmbeddingMatrix

SAME_CATEGORY_BONUS = 0.1
"""Added to the cosine of two products of the same category; see `services.product.similar`."""


def similarities(cosines: NDArray[np.floating], same_category: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return similarity scores, 0 to 1, computed as in `services.product.similar`; all arrays have shape (n,)."""
    strengths = (cosines + SAME_CATEGORY_BONUS * same_category) / (1.0 + SAME_CATEGORY_BONUS)
    return np.asarray(np.clip(strengths, 0.0, 1.0), dtype=np.float32)


class EmbeddingCache:
    """A cache of all embeddings in the active space. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version: str | None = None
        self._seen = 0
        self._matrix: EmbeddingMatrix | None = None

    def current(self, connection: Connection) -> EmbeddingMatrix | None:
        """Return the current embeddings; None before the first refresh. Only changed embeddings are read again."""
        version = active_version(connection)
        newest = products.newest_change(connection)
        with self._lock:
            if version is None or version != self._version or self._matrix is None:
                self._matrix = None if version is None else product_embeddings.all_embeddings(connection, version)
            elif newest > self._seen:
                changed = product_embeddings.embeddings_changed_since(connection, self._seen, version)
                self._matrix = self._matrix.updated(changed)
            self._version, self._seen = version, newest
            return self._matrix
