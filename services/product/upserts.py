"""Changes of products together with their embeddings: both are stored in one transaction, or none."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from quintet.type.v1.error_pb2 import ErrorReason

from services.product.features import ProductFeatures
from services.product.spaces import SpaceCache, active_version, features_of
from shared.db import product_embeddings, products
from shared.db.engine import Connection, Database
from shared.db.product_facts import facts_in
from shared.db.product_patch import ProductPatch
from shared.db.products import Upserted
from shared.errors import Unavailable

if TYPE_CHECKING:
    from services.product.embedding import EmbeddingSpace

ATTEMPTS = 3
Vectors = dict[ProductFeatures, NDArray[np.float32]]


class _Rehearsed(Exception):
    """Ends a transaction whose effects are not wanted."""

    def __init__(self, upserted: Upserted) -> None:
        super().__init__()
        self.upserted = upserted


class ProductUpserts:
    """Stores changes of products. Safe to call from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._spaces = SpaceCache(database)

    def upsert(self, patches: Sequence[ProductPatch], *, validate_only: bool = False) -> Upserted:
        """Add or change products with distinct ids, all or none, and embed those that changed.

        Before the first refresh there is no embedding space; the first refresh embeds all products. With
        `validate_only` all is done but for storing it.

        Raises
        ------
        InvalidArgument
            If a new product has no name.
        Unavailable
            If refreshes change the embedding space during every attempt.
        """
        for _ in range(ATTEMPTS):
            try:
                upserted = self._in_current_space(patches, validate_only=validate_only)
            except _Rehearsed as rehearsed:
                return rehearsed.upserted
            if upserted is not None:
                return upserted
        reason = ErrorReason.TEMPORARILY_UNAVAILABLE
        raise Unavailable("the embedding space is being changed, try again", reason=reason)

    def _in_current_space(self, patches: Sequence[ProductPatch], *, validate_only: bool) -> Upserted | None:
        """Change products; return None, with nothing written, if another space became active meanwhile."""
        active = self._spaces.current()
        vectors = self._embedded_ahead(active.space, patches) if active.space and not validate_only else {}
        with self._database.write() as connection:
            if active_version(connection) != active.version:
                return None
            upserted = products.patch_products(connection, patches)
            if validate_only:
                raise _Rehearsed(upserted)
            if active.space is None or active.version is None:
                # A running refresh may have stored an embedding of the product's old state.
                product_embeddings.drop_embeddings(connection, upserted.changed)
            else:
                _store(connection, active.version, active.space, upserted, vectors)
            return upserted

    def _embedded_ahead(self, space: "EmbeddingSpace", patches: Sequence[ProductPatch]) -> Vectors:
        """Return the vectors of the products as they will be, computed before others have to wait."""
        with self._database.read() as connection:
            stored = products.get_products(connection, [each.external_id for each in patches])
        merged = products.merged_products(patches, stored, datetime.now(UTC))
        return _embedded(space, [features_of(facts_in(each.row)) for each in merged])


def _store(connection: Connection, version: str, space: "EmbeddingSpace", upserted: Upserted, vectors: Vectors) -> None:
    if not upserted.changed:
        return
    features = [features_of(upserted.rows[key]) for key in upserted.changed]
    # What another change made different since it was embedded: as a rule nothing.
    vectors = vectors | _embedded(space, [each for each in features if each not in vectors])
    product_embeddings.store_embeddings(
        connection, version, upserted.changed, np.array([vectors[each] for each in features])
    )


def _embedded(space: "EmbeddingSpace", features: Sequence[ProductFeatures]) -> Vectors:
    return dict(zip(features, space.transform(features), strict=True)) if features else {}
