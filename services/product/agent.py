"""The product agent: stores the catalogue, embeds changed products, and returns related products and performance."""

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import astuple, dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from services.product.embedding_cache import EmbeddingCache, similarities
from services.product.upserts import ProductUpserts
from shared import periods
from shared.config import Settings
from shared.db import product_deletion, product_offers, product_performance, products, relations
from shared.db.engine import Connection, Database
from shared.db.product_offers import Applied, Change, Offer
from shared.db.product_patch import ProductPatch
from shared.db.product_performance import ProductPerformance
from shared.db.product_retirement import CompleteList, retire
from shared.db.products import Product, ProductFilter, Upserted
from shared.db.relations import SIMILAR, Relation
from shared.errors import NotFound
from shared.jobs import Progress, SingleJob
from shared.limits import MAX_PAGE_BYTES
from shared.page_tokens import key_of_token, page_token, text_of_token, text_token

REFRESH_JOB = "services.product.refresh"
READ_AT_ONCE = 100
"""Products of a page that are read together: large ones must not all be in memory."""
OVER_READ = 50
"""Number of nearest products that are read in addition to those requested, because some cannot be bought."""


@dataclass(frozen=True)
class PageQuery:
    """A page of the catalogue; an empty filter matches all products."""

    size: int
    token: str = ""
    only: ProductFilter = field(default_factory=ProductFilter)


@dataclass(frozen=True)
class ProductPage:
    """The products of a page, and the token of the next page; the last page has an empty token."""

    products: list[Product]
    next_token: str


@dataclass(frozen=True)
class OfferPage:
    """Offers of a page, and the token of the next page; the last page has an empty token."""

    offers: list[Offer]
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
        self._upserts = ProductUpserts(database)
        self._live = EmbeddingCache()
        self._refreshing = SingleJob(REFRESH_JOB, settings)

    def upsert(self, patches: Sequence[ProductPatch], *, validate_only: bool = False) -> Upserted:
        """Add or change products with distinct ids, all or none; see `ProductUpserts.upsert`."""
        return self._upserts.upsert(patches, validate_only=validate_only)

    def apply(self, changes: Sequence[Change]) -> Applied:
        """Set prices, or statuses, by themselves; of each product and place the latest holds."""
        with self._database.write() as connection:
            return product_offers.apply_changes(connection, changes)

    def delete(self, product_id: str, *, allow_missing: bool = False) -> bool:
        """Delete a product and say whether it was there. Raises NotFound if it was not, unless `allow_missing`."""
        with self._database.write() as connection:
            keys = products.product_keys(connection, [product_id])
            deleted = product_deletion.delete_products(connection, list(keys.values())) > 0
        if not deleted and not allow_missing:
            raise NotFound.of("product", product_id, "product_id")
        return deleted

    def retire(self, complete: CompleteList) -> int:
        """Delete what a complete list does not name; return how many. Raises FailedPrecondition if it is too much."""
        return retire(self._database, complete)

    def offers(self, product_id: str, size: int, token: str) -> OfferPage:
        """Return what places offer of a product, by ascending place. Raises NotFound, or InvalidArgument."""
        after = text_of_token(token, product_id)
        with self._database.read() as connection:
            found = product_offers.offers_of(connection, _known(connection, product_id).key, after, size + 1)
        page = found[:size]
        return OfferPage(page, text_token(page[-1].place_id, product_id) if len(found) > size else "")

    def get(self, product_id: str) -> Product:
        """Return a product. Raises NotFound for an unknown one."""
        with self._database.read() as connection:
            return _known(connection, product_id)

    def page(self, query: PageQuery, size_of: Callable[[Product], int]) -> ProductPage:
        """Return a page of the catalogue in a stable order. Raises InvalidArgument for a bad token.

        It ends early where the next product would make it larger than an answer may be; `size_of` gives a product's
        bytes in the answer.
        """
        filters = tuple(map(str, astuple(query.only)))
        after_key = key_of_token(query.token, *filters)
        with self._database.read() as connection:
            page, more = _filled(_products_after(connection, after_key, query), query.size, size_of)
        return ProductPage(page, page_token(page[-1].key, *filters) if more else "")

    def related(self, product_id: str, relation: Relation, limit: int) -> list[RelatedProduct]:
        """Return related products that can be bought, strongest relation first. Raises NotFound.

        One variant of each group is returned, and none of the product's own. Relations come from the last refresh. If
        it stored fewer similar products than requested, or none because the product is newer, the nearest products by
        the current embeddings are added.
        """
        with self._database.read() as connection:
            product = _known(connection, product_id)
            stored = relations.read_relation(connection, relation, product.key)
            found = _buyable(connection, stored.keys, stored.scores) if stored else []
            if relation == SIMILAR and len(_distinct(found, product)) < limit:
                known = {product.key, *(each.product.key for each in found)}
                found += self._nearest(connection, product, limit, known)
        return _distinct(sorted(found, key=lambda each: (-each.score, each.product.key)), product)[:limit]

    def performance(self, product_id: str, start: datetime | None, end: datetime | None) -> ProductPerformance:
        """Return the performance of a product from `start` (default: 30 days before the end) to `end` (default: now).

        Raises NotFound, or InvalidArgument if the period does not end after its start.
        """
        since, until = periods.settled(start, end, datetime.now(UTC))
        with self._database.read() as connection:
            product = _known(connection, product_id, deleted=True)
            return product_performance.performance(connection, product.key, since, until)

    async def refresh(self) -> AsyncGenerator[Progress, None]:
        """Refresh the catalogue in a child process and yield its progress. Raises Conflict if another refresh runs."""
        async with aclosing(self._refreshing.run()) as steps:
            async for progress in steps:
                yield progress

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
            only=query.only,
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


def _known(connection: Connection, product_id: str, *, deleted: bool = False) -> Product:
    """Return a product; with `deleted` also one that was deleted. Raises NotFound."""
    product = products.get_product(connection, product_id)
    if product is None or (product.deleted and not deleted):
        raise NotFound.of("product", product_id, "product_id")
    return product


def _buyable(connection: Connection, keys: NDArray[np.int64], scores: NDArray[np.float32]) -> list[RelatedProduct]:
    """Return the products that can be bought, in the given order, with their scores."""
    found, now = products.get_products_by_key(connection, keys.tolist()), datetime.now(UTC)
    pairs = zip(keys.tolist(), scores.tolist(), strict=True)
    return [RelatedProduct(found[key], score) for key, score in pairs if key in found and found[key].on_sale(now)]


def _distinct(related: Sequence[RelatedProduct], product: Product) -> list[RelatedProduct]:
    """Return the first variant of each group, without those of the product itself."""
    groups = {product.group_id} - {""}
    found = []
    for each in related:
        group = each.product.group_id
        if group not in groups:
            found.append(each)
            groups |= {group} - {""}
    return found


def _same_category(one: Product, other: Product) -> bool:
    return bool(one.category) and one.category == other.category
