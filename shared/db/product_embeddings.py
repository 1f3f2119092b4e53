"""Product embeddings: one vector per product, in the space of one version. Written by the product agent.

Vectors of different space versions cannot be compared, so every read names the version it wants. While a refresh
writes a new version, the products it has got to are missing from the old one; the new one is made active
(`shared.db.models`) when it is complete.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, and_, or_, select

from shared.db.batches import batches
from shared.db.engine import replace_rows
from shared.db.schema import product_embeddings, products
from shared.errors import DataLoss

STORED = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class EmbeddingMatrix:
    """Embeddings of several products.

    Attributes
    ----------
    keys : ndarray of shape (n,), int64
        Product keys, ascending.
    vectors : ndarray of shape (n, dimensions), float32
        One row per key; of shape (0, 0) when there are none.
    """

    keys: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.keys)

    def row_of(self, key: int) -> int | None:
        """Return the row of a product; None if it has none."""
        row = int(np.searchsorted(self.keys, key))
        return row if row < len(self.keys) and self.keys[row] == key else None

    def nearest(
        self, vector: NDArray[np.float32], limit: int, exclude: Iterable[int] = ()
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the keys with the highest cosine to `vector`, best first, equal ones by key, and the cosines.

        Parameters
        ----------
        vector
            Shape (dimensions,), float32.
        limit
            Most keys to return, at least 1.
        exclude
            Keys to leave out.
        """
        if not len(self):
            return self.keys, np.empty(0, dtype=np.float32)
        lengths = self._lengths * np.linalg.norm(vector)
        dots = self.vectors @ vector
        cosines = np.divide(dots, lengths, out=np.zeros_like(dots), where=lengths > 0)
        allowed = np.flatnonzero(~np.isin(self.keys, np.fromiter(exclude, dtype=np.int64)))
        if limit < len(allowed):
            bound = np.partition(cosines[allowed], -limit)[-limit]
            allowed = allowed[cosines[allowed] >= bound]
        best = allowed[np.argsort(-cosines[allowed], kind="stable")[:limit]]
        return self.keys[best], cosines[best]

    @cached_property
    def _lengths(self) -> NDArray[np.float32]:
        return np.asarray(np.linalg.norm(self.vectors, axis=1), dtype=np.float32)

    def updated(self, newer: "EmbeddingMatrix") -> "EmbeddingMatrix":
        """Return these embeddings with those of `newer` added or replaced."""
        if not len(newer) or not len(self):
            return newer if len(newer) else self
        kept = ~np.isin(self.keys, newer.keys)
        keys = np.concatenate([self.keys[kept], newer.keys])
        order = np.argsort(keys)
        return EmbeddingMatrix(keys[order], np.concatenate([self.vectors[kept], newer.vectors])[order])


def store_embeddings(
    connection: Connection, space_version: str, keys: Sequence[int] | NDArray[np.int64], vectors: NDArray[np.float32]
) -> None:
    """Store one embedding for each key, replacing what there is of any version.

    Parameters
    ----------
    keys
        Product keys, shape (n,).
    vectors
        Shape (n, dimensions), float32.
    """
    if not len(keys):
        return
    now = datetime.now(UTC)
    rows = [
        {"product_id": int(key), "embedding": vector.tobytes(), "space_version": space_version, "last_updated": now}
        for key, vector in zip(keys, vectors.astype(STORED), strict=True)
    ]
    replace_rows(connection, product_embeddings, ["product_id"], rows)


def drop_embeddings(connection: Connection, keys: Iterable[int]) -> None:
    """Delete the embeddings of products; keys without one are fine."""
    for some in batches(keys):
        connection.execute(product_embeddings.delete().where(product_embeddings.c.product_id.in_(some)))


def read_embedding(connection: Connection, key: int, space_version: str) -> NDArray[np.float32] | None:
    """Return a product's embedding, shape (dimensions,); None if it has none in this version."""
    found = read_embeddings(connection, [key], space_version)
    return found.vectors[0] if len(found) else None


def read_embeddings(connection: Connection, keys: Iterable[int], space_version: str) -> EmbeddingMatrix:
    """Return the embeddings of some products; those without one in this version are left out."""
    rows: list[Any] = []
    for some in batches(sorted(set(keys))):
        rows += connection.execute(_chosen(space_version).where(product_embeddings.c.product_id.in_(some))).all()
    return _matrix(rows)


def all_embeddings(connection: Connection, space_version: str) -> EmbeddingMatrix:
    """Return the embeddings of the whole catalogue in this version."""
    return _matrix(connection.execute(_chosen(space_version)).all())


def embeddings_changed_since(connection: Connection, change_sequence: int, space_version: str) -> EmbeddingMatrix:
    """Return the embeddings of products that changed after `change_sequence` (see `shared.db.products`).

    A product and its embedding change in one transaction, so the number of the catalogue's change serves both.
    """
    # The changes come first, by their index: a join may be read the other way round, all embeddings one by one.
    changed = select(products.c.product_id).where(products.c.change_sequence > change_sequence)
    chosen = _chosen(space_version).where(product_embeddings.c.product_id.in_(changed))
    return _matrix(connection.execute(chosen).all())


def similar_products(
    connection: Connection, key: int, space_version: str, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the keys of the products most similar to a product by embedding, best first, and the cosines.

    Reads the whole matrix: who asks often keeps it (`all_embeddings`) and calls `EmbeddingMatrix.nearest`. Both are
    empty for a product without an embedding.
    """
    matrix = all_embeddings(connection, space_version)
    row = matrix.row_of(key)
    if row is None:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    return matrix.nearest(matrix.vectors[row], limit, exclude=[key])


def keys_to_embed(connection: Connection, space_version: str) -> list[int]:
    """Return the keys of products without an embedding in this version, or with one of another price, ascending.

    A price that changes by itself embeds nothing; nor does one that is said again.
    """
    embedded = and_(
        product_embeddings.c.product_id == products.c.product_id, product_embeddings.c.space_version == space_version
    )
    missing = select(products.c.product_id).join(product_embeddings, embedded, isouter=True)
    repriced = and_(
        products.c.updated_at > product_embeddings.c.last_updated,
        products.c.price_updated_at > product_embeddings.c.last_updated,
    )
    missing = missing.where(or_(product_embeddings.c.product_id.is_(None), repriced)).order_by(products.c.product_id)
    return list(connection.execute(missing).scalars())


def _chosen(space_version: str) -> Select[Any]:
    columns = product_embeddings.c
    return (
        select(columns.product_id, columns.embedding)
        .where(columns.space_version == space_version)
        .order_by(columns.product_id)
    )


def _matrix(rows: Sequence[Any]) -> EmbeddingMatrix:
    if not rows:
        return EmbeddingMatrix(np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.float32))
    keys = np.fromiter((row[0] for row in rows), dtype=np.int64, count=len(rows))
    sizes = {len(row[1]) for row in rows}
    if len(sizes) > 1:
        raise DataLoss(f"product embeddings of one space version have different lengths: {sorted(sizes)} bytes")
    flat = np.frombuffer(b"".join(row[1] for row in rows), dtype=STORED)
    return EmbeddingMatrix(keys, flat.astype(np.float32).reshape(len(rows), -1))
