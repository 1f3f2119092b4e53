"""The catalogue: products under the platform's ids, and what changed since when. Written by the product agent.

Each write transaction that changes products counts the counter `products` up once and stamps what it changed with it
(`change_sequence`). Changes are committed in the order of their numbers, so a reader that has seen number n misses
nothing when it asks for what came after n.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Text, and_, bindparam, cast, func, select

from shared.db.batches import among, batches
from shared.db.bulk import update_rows
from shared.db.driver import DriverCursor, PreparedLookup, PreparedQuery
from shared.db.engine import next_count, replace_rows
from shared.db.product_facts import CatalogueEntry, NewProduct, Product, ProductFacts, facts_in
from shared.db.product_patch import (
    STATE,
    TIMED,
    Merged,
    ProductPatch,
    merged,
    same_but_for_price_and_stock,
    same_content,
    same_moments,
)
from shared.db.schema import products
from shared.db.types import from_micros, to_micros
from shared.errors import InvalidArgument

__all__ = ["CatalogueEntry", "NewProduct", "Product", "ProductFacts", "Upserted"]

CHANGES = "products"
"""Name of the counter of changes of the catalogue."""


@dataclass(frozen=True)
class Upserted:
    """What became of products.

    `created` and `updated` count those that were new and known, `stale` prices and statuses that were left as newer
    ones were stored; `keys` has the keys of all, `changed` of those that changed, and `rows` what these are now.
    """

    created: int
    updated: int
    keys: Mapping[str, int]
    changed: tuple[int, ...]
    stale: int = 0
    rows: Mapping[int, NewProduct] = field(default_factory=dict)


_ALL_COLUMNS = [
    products.c.product_id.label("key"),
    *(products.c[name] for name in STATE),
    products.c.updated_at,
    products.c.change_sequence,
    products.c.content_sequence,
]
_KEYS = PreparedLookup(select(products.c.external_id, products.c.product_id), products.c.external_id)
_GROUPS_BY_KEY = PreparedLookup(
    select(products.c.product_id, products.c.group_id).where(products.c.group_id != ""), products.c.product_id
)
_GROUPS_BY_ID = PreparedLookup(
    select(products.c.external_id, products.c.group_id).where(products.c.group_id != ""), products.c.external_id
)
_ENTRIES = select(
    products.c.product_id,
    products.c.external_id,
    products.c.name,
    products.c.category,
    products.c.subcategory,
    products.c.brand,
    products.c.price,
    products.c.currency,
    cast(products.c.image_urls, Text),
    products.c.inventory_status,
    and_(products.c.recommendable, products.c.deleted_at.is_(None)),
    cast(products.c.available_at, BigInteger),
    products.c.change_sequence,
    cast(products.c.expire_at, BigInteger),
    products.c.group_id,
    products.c.average_rating,
    cast(products.c.attributes, Text),
    cast(products.c.tags, Text),
    products.c.cost,
)
_CHANGED = PreparedQuery(
    _ENTRIES.where(products.c.change_sequence > bindparam("change", type_=BigInteger)).order_by(
        products.c.change_sequence, products.c.product_id
    )
)


def upsert_products(connection: Connection, new: Sequence[NewProduct]) -> Upserted:
    """Add or update products with distinct ids.

    An update replaces the whole product, but for what `NewProduct` leaves open with None. A product that is stored just
    so already is left alone: it does not count as a change.
    """
    return patch_products(connection, [ProductPatch.replacing(each) for each in new])


def patch_products(connection: Connection, patches: Sequence[ProductPatch]) -> Upserted:
    """Change products with distinct ids, or add them; what a change does not name stays.

    A deleted product counts as new. What is stored just so already is left alone: it does not count as a change.
    Raises InvalidArgument, with nothing written, for a new product without a name.
    """
    # The counter comes first: it makes other writers of the catalogue wait, so nothing changes between look and write.
    change = next_count(connection, CHANGES)
    stored = get_products(connection, [each.external_id for each in patches])
    now = datetime.now(UTC)
    results = merged_products(patches, stored, now)
    known = {name: product for name, product in stored.items() if not product.deleted}
    rows = [
        each.row
        for each in results
        if (before := known.get(each.row["external_id"])) is None or not same_content(each.row, before)
    ]
    stamps = {"updated_at": now, "change_sequence": change}
    contents = [_content_sequence(row, known.get(row["external_id"]), change) for row in rows]
    replace_rows(
        connection,
        products,
        ["external_id"],
        [{**row, **stamps, "content_sequence": content} for row, content in zip(rows, contents, strict=True)],
    )
    _write_moments(connection, [each.row for each in results], known)
    keys = {name: product.key for name, product in stored.items()}
    keys |= product_keys(connection, [each.external_id for each in patches if each.external_id not in stored])
    return Upserted(
        created=len(patches) - len(known),
        updated=len(known),
        keys=keys,
        changed=tuple(keys[row["external_id"]] for row in rows),
        stale=sum(each.stale for each in results),
        rows={keys[row["external_id"]]: facts_in(row) for row in rows},
    )


def merged_products(patches: Sequence[ProductPatch], stored: Mapping[str, Product], now: datetime) -> list[Merged]:
    """Return what products are after changes, in their order. Raises InvalidArgument for a new one without a name."""
    results = [merged(each, stored.get(each.external_id), now) for each in patches]
    for place, each in enumerate(results):
        if not each.row["name"]:
            raise InvalidArgument.of(f"products[{place}].name", "", "is required for a new product")
    return results


def touch_products(connection: Connection, keys: Iterable[int]) -> None:
    """Stamp products as changed without changing them, for readers that follow the changes."""
    change = next_count(connection, CHANGES)
    for some in batches(keys):
        connection.execute(products.update().where(products.c.product_id.in_(some)).values(change_sequence=change))


def lock_changes(connection: Connection, keys: Iterable[int]) -> dict[int, int]:
    """Return the change that each product is at, and keep others from changing the catalogue in this transaction."""
    next_count(connection, CHANGES)
    changes: dict[int, int] = {}
    for some in batches(keys):
        found = connection.execute(
            select(products.c.product_id, products.c.change_sequence).where(products.c.product_id.in_(some))
        )
        changes.update((row.product_id, row.change_sequence) for row in found)
    return changes


def product_keys(connection: Connection, external_ids: Iterable[str]) -> dict[str, int]:
    """Return the keys of products by the platform's id; unknown ids are left out."""
    return dict(_KEYS.fetch(connection, list(external_ids)))


def groups_by_key(connection: Connection, keys: Collection[int]) -> dict[int, str]:
    """Return the groups of those of the products under `keys` that are in one."""
    return dict(_GROUPS_BY_KEY.fetch(connection, list(keys)))


def groups_by_id(connection: Connection, external_ids: Collection[str]) -> dict[str, str]:
    """Return the groups of those of the products that are in one, by the platform's id."""
    return dict(_GROUPS_BY_ID.fetch(connection, list(external_ids)))


def product_ids(connection: Connection, keys: Iterable[int]) -> dict[int, str]:
    """Return the platform's ids of products by key; unknown keys are left out."""
    names: dict[int, str] = {}
    for some in batches(keys):
        found = connection.execute(
            select(products.c.product_id, products.c.external_id).where(products.c.product_id.in_(some))
        )
        names.update((row.product_id, row.external_id) for row in found)
    return names


def get_product(connection: Connection, external_id: str) -> Product | None:
    """Return a product by the platform's id; None for an unknown one."""
    return get_products(connection, [external_id]).get(external_id)


def get_products(connection: Connection, external_ids: Iterable[str]) -> dict[str, Product]:
    """Return products by the platform's id; unknown ids are left out."""
    found = (
        product for some in batches(external_ids) for product in _read(connection, products.c.external_id.in_(some))
    )
    return {product.external_id: product for product in found}


def get_products_by_key(connection: Connection, keys: Iterable[int]) -> dict[int, Product]:
    """Return products by key; unknown keys are left out."""
    found = (product for some in batches(keys) for product in _read(connection, products.c.product_id.in_(some)))
    return {product.key: product for product in found}


@dataclass(frozen=True)
class ProductFilter:
    """Which products a list has; what is empty takes all. `name_contains` takes upper for lower case."""

    category: str = ""
    name_contains: str = ""
    group_id: str = ""
    brand: str = ""
    inventory_status: str = ""
    updated_since: datetime | None = None


def list_products(
    connection: Connection, *, after_key: int = 0, limit: int = 100, only: ProductFilter = ProductFilter()
) -> list[Product]:
    """Return up to `limit` products with keys above `after_key`, in the order of their keys, which never change.

    Deleted ones are left out.
    """
    equal = {name: getattr(only, name) for name in ("category", "group_id", "brand", "inventory_status")}
    conditions = [products.c.product_id > after_key, products.c.deleted_at.is_(None)]
    conditions += [products.c[name] == value for name, value in equal.items() if value]
    if only.name_contains:
        conditions.append(_contains(connection, products.c.name, only.name_contains))
    if only.updated_since is not None:
        conditions.append(products.c.updated_at >= only.updated_since)
    return _read(connection, *conditions, limit=limit)


def all_products(connection: Connection) -> list[Product]:
    """Return the whole catalogue in the order of the keys, with what was deleted."""
    return _read(connection)


def catalogue_since(connection: Connection, change_sequence: int) -> Iterator[CatalogueEntry]:
    """Yield the products that changed after `change_sequence`, in the order of their changes; 0 yields all.

    The last entry's `change_sequence` is the one to ask with next time.
    """
    rows = DriverCursor.of(connection).stream(_CHANGED, change=change_sequence)
    return map(_entry, rows)


def catalogue_entries(connection: Connection, keys: Collection[int], change_sequence: int = 0) -> list[CatalogueEntry]:
    """Return those of the products under `keys` that changed after `change_sequence`, in no order; 0 returns all.

    Each product is looked up by its key, however many others changed.
    """
    # A sum keeps the database from going through the index of all changes.
    changed = products.c.change_sequence + 0 > change_sequence
    rows = connection.execute(_ENTRIES.where(among(connection, products.c.product_id, keys), changed))
    return [_entry(row) for row in rows]


def _entry(row: Sequence[Any]) -> CatalogueEntry:
    end = None if row[13] is None else from_micros(row[13])
    at = (bool(row[10]), from_micros(row[11]), row[12], end)
    return CatalogueEntry._make((*row[:8], _first(row[8]), row[9], *at, *row[14:]))


def _first(image_urls: str) -> str | None:
    urls: list[str] = json.loads(image_urls)
    return urls[0] if urls else None


def newest_change(connection: Connection) -> int:
    """Return the number of the latest change of the catalogue; 0 for an empty one. Cheap: the column is indexed."""
    return int(connection.execute(select(func.coalesce(func.max(products.c.change_sequence), 0))).scalar_one())


def last_update(connection: Connection) -> datetime | None:
    """Return when a product was changed last; None for an empty catalogue."""
    return connection.execute(select(func.max(products.c.updated_at))).scalar_one_or_none()


def count_products(connection: Connection) -> int:
    """Return how many products there are."""
    return int(connection.execute(select(func.count()).select_from(products)).scalar_one())


def _read(connection: Connection, *conditions: ColumnElement[bool], limit: int | None = None) -> list[Product]:
    chosen = select(*_ALL_COLUMNS).where(*conditions).order_by(products.c.product_id).limit(limit)
    return [_product(row) for row in connection.execute(chosen)]


def _product(row: Row[Any]) -> Product:
    values = dict(row._mapping)
    return Product(**{**values, "tags": tuple(values["tags"]), "image_urls": tuple(values["image_urls"])})


def _content_sequence(row: Mapping[str, Any], before: Product | None, change: int) -> int | None:
    if before is None or not same_but_for_price_and_stock(row, before):
        return change
    return before.content_sequence or before.change_sequence


def _write_moments(connection: Connection, rows: Sequence[Mapping[str, Any]], known: Mapping[str, Product]) -> None:
    """Write since when price and status are true where nothing else changed: nobody who follows changes needs that."""
    pairs = [(row, known[row["external_id"]]) for row in rows if row["external_id"] in known]
    only = [
        (*(None if row[clock] is None else to_micros(row[clock]) for clock in TIMED.values()), before.key)
        for row, before in pairs
        if same_content(row, before) and not same_moments(row, before)
    ]
    update_rows(connection, products, tuple(TIMED.values()), only)


def _contains(connection: Connection, column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Return whether `column` contains `part` in any letter case, beyond ASCII too."""
    if connection.dialect.name != "sqlite":
        return column.icontains(part, autoescape=True)
    # SQLite's own lower() knows ASCII only.
    connection.connection.driver_connection.create_function("quintet_lower", 1, str.lower, deterministic=True)  # type: ignore[union-attr]
    return func.instr(func.quintet_lower(column), part.lower()) > 0
