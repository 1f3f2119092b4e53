"""Computes the tables of similar and complementary products of the whole catalogue, from embeddings and baskets."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from services.product.complementary import complementary_products
from services.product.embedding_cache import SAME_CATEGORY_BONUS
from services.product.feature_encoders import Csr
from services.product.similar import similar_products
from shared.db.product_embeddings import EmbeddingMatrix
from shared.db.products import Product
from shared.db.relations import BasketLines, Related, RelationTable
from shared.inventory import DISCONTINUED

KEPT = 20
"""Related products stored per product and relation; some of them may not be for sale when they are requested."""


def similar(
    products: Sequence[Product], embeddings: EmbeddingMatrix, progress: Callable[[float], None] = lambda _: None
) -> RelationTable:
    """Return the substitutes of each product; a product without an embedding has none.

    `products` must be ordered by key. `progress` is called with the share that is done.
    """
    keys = _keys(products)
    places = _places(keys, embeddings.keys)
    vectors = np.zeros((len(keys), embeddings.vectors.shape[1]), dtype=np.float32)
    vectors[places[places >= 0]] = embeddings.vectors[places >= 0]
    found = similar_products(
        vectors,
        _codes([product.category for product in products]),
        KEPT,
        same_category_bonus=SAME_CATEGORY_BONUS,
        eligible=_eligible(products),
        progress=progress,
    )
    return _table(keys, found)


def complementary(products: Sequence[Product], lines: BasketLines) -> RelationTable:
    """Return the complements of each product; `products` must be ordered by key."""
    keys = _keys(products)
    baskets = np.unique(lines.purchases, return_inverse=True)[1].astype(np.int32)
    found = complementary_products(
        baskets,
        _places(keys, lines.products).astype(np.int32),
        len(keys),
        KEPT,
        subcategory=_codes([product.subcategory for product in products]),
        eligible=_eligible(products),
    )
    return _table(keys, found)


def changed_rows(stored: RelationTable, computed: RelationTable) -> list[tuple[int, Related]]:
    """Return the rows of `computed` that are missing in `stored` or differ from it."""
    rows = ((key, computed.of(key), stored.of(key)) for key in computed.keys.tolist())
    return [(key, new) for key, new, old in rows if new is not None and (old is None or not _same(old, new))]


def _same(one: Related, other: Related) -> bool:
    return np.array_equal(one.keys, other.keys) and np.array_equal(one.scores, other.scores)


def _table(keys: NDArray[np.int64], found: Csr) -> RelationTable:
    scores = np.clip(found.data, 0.0, 1.0).astype(np.float32)  # rounding errors may exceed the bounds
    return RelationTable(keys, found.indptr.astype(np.int64), keys[found.indices], scores)


def _keys(products: Sequence[Product]) -> NDArray[np.int64]:
    return np.fromiter((product.key for product in products), dtype=np.int64, count=len(products))


def _places(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the position of each wanted key in `keys`, which ascend; -1 for a key that is not in them."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, places, -1)


def _codes(labels: Sequence[str]) -> NDArray[np.int32]:
    """Return a code for each label, -1 for an empty label."""
    codes = np.unique(np.array(labels, dtype=object), return_inverse=True)[1].astype(np.int32)
    codes[[not label for label in labels]] = -1
    return codes


def _eligible(products: Sequence[Product]) -> NDArray[np.bool_]:
    # Products out of stock stay eligible: they may be back before the next refresh, and readers filter them until then.
    eligible = [product.recommendable and product.inventory_status != DISCONTINUED for product in products]
    return np.array(eligible, dtype=np.bool_)
