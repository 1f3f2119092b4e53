"""The product agent: stores the catalogue, embeds changed products, and returns related products and performance."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from quintet.type.v1.error_pb2 import ErrorReason

from services.product.embedding_cache import EmbeddingCache, similarities
from services.product.paging import key_of_token, page_token
from services.product.spaces import SpaceCache, active_version, features_of
from shared import periods
from shared.config import Settings
from shared.db import product_embeddings, product_performance, products, relations
from shared.db.engine import Connection, Database
from shared.db.product_performance import ProductPerformance
from shared.db.products import NewProduct, Product, Upserted
from shared.db.relations import SIMILAR, Relation
from shared.errors import NotFound, Unavailable
from shared.jobs import Progress, SingleJob
from shared.limits import MAX_PAGE_BYTES

REFRESH_JOB = "services.product.refresh"
ATTEMPTS = 3
READ_AT_ONCE = 100
"""Products of a page that are read together: large ones must not all be in memory."""
OVER_READ = 50
"""Number of nearest products that are read in addition to those requested, because some cannot be bought."""


@dataclass(frozen=True)
class PageQuery:
    """A page of the catalogue; an empty filter matches all products."""

    size: int
    token: str = ""
    category: str = ""
    name_contains: str = ""


@dataclass(frozen=True)
class ProductPage:
    """The products of a page, and the token of the next page; the last page has an empty token."""

    products: list[Product]
    next_token: str


@dataclass(frozen=True)
class RelatedProduct:
    """A product that is related to another, and the strength of the relation, 0 to 1."""

    product: Product
    score: float


class ProductAgent:
    """The logic of the product service, without gRPC and SQL. Safe to call from several threads."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._spaces = SpaceCache(database)
        self._live = EmbeddingCache()
        self._refreshing = SingleJob(REFRESH_JOB, settings)

    def upsert(self, new: Sequence[NewProduct]) -> Upserted:
        """Add or update products with distinct ids, all or none, and embed those that changed.

        An update replaces the whole product, except that inventory status and availability keep their stored values if
        they are not given. Before the first refresh there is no embedding space; the first refresh embeds all products.

        Raises
        ------
        Unavailable
            If refreshes change the embedding space during every attempt.
        """
        for _ in range(ATTEMPTS):
            upserted = self._upsert_in_current_space(new)
            if upserted is not None:
                return upserted
        reason = ErrorReason.TEMPORARILY_UNAVAILABLE
        raise Unavailable("the embedding space is being changed, try again", reason=reason)

    def get(self, product_id: str) -> Product:
        """Return a product. Raises NotFound for an unknown one."""
        with self._database.read() as connection:
            return _known(connection, product_id)

    def page(self, query: PageQuery, size_of: Callable[[Product], int]) -> ProductPage:
        """Return a page of the catalogue in a stable order. Raises InvalidArgument for a bad token.

        It ends early where the next product would make it larger than an answer may be; `size_of` gives a product's
        bytes in the answer.
        """
        filters = (query.category, query.name_contains)
        after_key = key_of_token(query.token, *filters)
        with self._database.read() as connection:
            page, more = _filled(_products_after(connection, after_key, query), query.size, size_of)
        return ProductPage(page, page_token(page[-1].key, *filters) if more else "")

    def related(self, product_id: str, relation: Relation, limit: int) -> list[RelatedProduct]:
        """Return related products that can be bought, strongest relation first. Raises NotFound.

        Relations come from the last refresh. If it stored fewer similar products than requested, or none because the
        product is newer, the nearest products by the current embeddings are added.
        """
        with self._database.read() as connection:
            product = _known(connection, product_id)
            stored = relations.read_relation(connection, relation, product.key)
            found = _buyable(connection, stored.keys, stored.scores) if stored else []
            if relation == SIMILAR and len(found) < limit:
                known = {product.key, *(each.product.key for each in found)}
                found += self._nearest(connection, product, limit, known)
        return sorted(found, key=lambda each: (-each.score, each.product.key))[:limit]

    def performance(self, product_id: str, start: datetime | None, end: datetime | None) -> ProductPerformance:
        """Return the performance of a product from `start` (default: 30 days before the end) to `end` (default: now).

        Raises NotFound, or InvalidArgument if the period does not end after its start.
        """
        since, until = periods.settled(start, end, datetime.now(UTC))
        with self._database.read() as connection:
            product = _known(connection, product_id)
            return product_performance.performance(connection, product.key, since, until)

    async def refresh(self) -> AsyncGenerator[Progress, None]:
        """Refresh the catalogue in a child process and yield its progress. Raises Conflict if another refresh runs."""
        async with aclosing(self._refreshing.run()) as steps:
            async for progress in steps:
                yield progress

    def _upsert_in_current_space(self, new: Sequence[NewProduct]) -> Upserted | None:
        """Add or update products; return None, with nothing written, if another space became active meanwhile."""
        active = self._spaces.current()
        vectors = active.space.transform([features_of(each) for each in new]) if active.space else None
        with self._database.write() as connection:
            if active_version(connection) != active.version:
                return None
            upserted = products.upsert_products(connection, new)
            if vectors is None or active.version is None:
                # A running refresh may have stored an embedding of the product's old state.
                product_embeddings.drop_embeddings(connection, upserted.changed)
            else:
                row = {upserted.keys[each.external_id]: number for number, each in enumerate(new)}
                chosen = vectors[[row[key] for key in upserted.changed]]
                product_embeddings.store_embeddings(connection, active.version, upserted.changed, chosen)
            return upserted

    def _nearest(
        self, connection: Connection, product: Product, limit: int, exclude: Iterable[int]
    ) -> list[RelatedProduct]:
        matrix = self._live.current(connection)
        row = None if matrix is None else matrix.row_of(product.key)
        if matrix is None or row is None:
            return []
        keys, cosines = matrix.nearest(matrix.vectors[row], limit + OVER_READ, exclude)
        found = _buyable(connection, keys, cosines)
        same = np.array([_same_category(each.product, product) for each in found], dtype=np.bool_)
        scores = similarities(np.array([each.score for each in found]), same)
        scored = zip(found, scores.tolist(), strict=True)
        return [RelatedProduct(each.product, score) for each, score in scored if score > 0]


def _products_after(connection: Connection, after_key: int, query: PageQuery) -> Iterator[Product]:
    """Yield the products of a list from a key on."""
    while True:
        some = products.list_products(
            connection,
            after_key=after_key,
            limit=min(READ_AT_ONCE, query.size + 1),
            category=query.category,
            name_contains=query.name_contains,
        )
        yield from some
        if len(some) < min(READ_AT_ONCE, query.size + 1):
            return
        after_key = some[-1].key


def _filled(found: Iterator[Product], most: int, size_of: Callable[[Product], int]) -> tuple[list[Product], bool]:
    """Return as many products as fit on a page, at least one where there is any, and whether there are more."""
    page: list[Product] = []
    room = MAX_PAGE_BYTES
    for product in found:
        room -= size_of(product)
        if len(page) == most or (page and room < 0):
            return page, True
        page.append(product)
    return page, False


def _known(connection: Connection, product_id: str) -> Product:
    product = products.get_product(connection, product_id)
    if product is None:
        raise NotFound.of("product", product_id, "product_id")
    return product


def _buyable(connection: Connection, keys: NDArray[np.int64], scores: NDArray[np.float32]) -> list[RelatedProduct]:
    """Return the products that can be bought, in the given order, with their scores."""
    found = products.get_products_by_key(connection, keys.tolist())
    pairs = zip(keys.tolist(), scores.tolist(), strict=True)
    return [RelatedProduct(found[key], score) for key, score in pairs if key in found and found[key].buyable]


def _same_category(one: Product, other: Product) -> bool:
    return bool(one.category) and one.category == other.category
