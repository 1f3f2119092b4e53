"""The catalogue: products under the platform's ids, and what changed since when. Written by the product agent.

Each write transaction that changes products counts the counter `products` up once and stamps what it changed with it
(`change_sequence`). Changes are committed in the order of their numbers, so a reader that has seen number n misses
nothing when it asks for what came after n.
"""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Text, bindparam, cast, func, select

from shared.db.batches import among, batches
from shared.db.driver import DriverCursor, PreparedLookup, PreparedQuery
from shared.db.engine import insert_into, next_count
from shared.db.schema import products
from shared.db.types import from_micros
from shared.inventory import BUYABLE, IN_STOCK

CHANGES = "products"
"""Name of the counter of changes of the catalogue."""


@dataclass(frozen=True, kw_only=True)
class ProductFacts:
    """What the platform says about a product. Empty text means not given; `price` is in minor units of `currency`."""

    external_id: str
    name: str
    description: str = ""
    category: str = ""
    subcategory: str = ""
    brand: str = ""
    price: int | None = None
    currency: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    image_urls: tuple[str, ...] = ()
    average_rating: float | None = None


@dataclass(frozen=True, kw_only=True)
class NewProduct(ProductFacts):
    """A product to add or update.

    None keeps what is stored; without it, a new product is IN_STOCK, recommendable and available from now on.
    """

    inventory_status: str | None = None
    recommendable: bool | None = None
    available_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Product(ProductFacts):
    """A product of the catalogue under its key."""

    key: int
    inventory_status: str
    recommendable: bool = True
    available_at: datetime
    updated_at: datetime
    change_sequence: int

    @property
    def buyable(self) -> bool:
        """Whether it can be bought, now or on order."""
        return self.inventory_status in BUYABLE


class CatalogueEntry(NamedTuple):
    """What serving keeps of a product in memory. `price` is in minor units, `image_url` the first picture or None."""

    key: int
    external_id: str
    name: str
    category: str
    subcategory: str
    brand: str
    price: int | None
    currency: str | None
    image_url: str | None
    inventory_status: str
    recommendable: bool
    available_at: datetime
    change_sequence: int


@dataclass(frozen=True)
class Upserted:
    """What became of products: how many were new and known, all their keys, and the keys of those that changed."""

    created: int
    updated: int
    keys: Mapping[str, int]
    changed: tuple[int, ...]


_CONTENT = tuple(each.name for each in fields(NewProduct))
_COLUMNS = [products.c.product_id.label("key"), *(products.c[name] for name in _CONTENT)]
_ALL_COLUMNS = [*_COLUMNS, products.c.updated_at, products.c.change_sequence]


_KEYS = PreparedLookup(select(products.c.external_id, products.c.product_id), products.c.external_id)
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
    products.c.recommendable,
    cast(products.c.available_at, BigInteger),
    products.c.change_sequence,
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
    # The counter comes first: it makes other writers of the catalogue wait, so nothing changes between look and write.
    change = next_count(connection, CHANGES)
    stored = get_products(connection, [each.external_id for each in new])
    now = datetime.now(UTC)
    rows = [_content(each, stored.get(each.external_id), now) for each in new]
    rows = [row for row in rows if not _is_stored(row, stored.get(row["external_id"]))]
    _write(connection, [{**row, "updated_at": now, "change_sequence": change} for row in rows])
    keys = {name: product.key for name, product in stored.items()}
    keys |= product_keys(connection, [each.external_id for each in new if each.external_id not in stored])
    changed = tuple(keys[row["external_id"]] for row in rows)
    return Upserted(len(new) - len(stored), len(stored), keys, changed)


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


def list_products(
    connection: Connection, *, after_key: int = 0, limit: int = 100, category: str = "", name_contains: str = ""
) -> list[Product]:
    """Return up to `limit` products with keys above `after_key`, in the order of their keys, which never change.

    Empty filters take everything; `name_contains` takes upper for lower case.
    """
    conditions = [products.c.product_id > after_key]
    if category:
        conditions.append(products.c.category == category)
    if name_contains:
        conditions.append(_contains(connection, products.c.name, name_contains))
    return _read(connection, *conditions, limit=limit)


def all_products(connection: Connection) -> list[Product]:
    """Return the whole catalogue in the order of the keys."""
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
    return CatalogueEntry._make((*row[:8], _first(row[8]), row[9], bool(row[10]), from_micros(row[11]), row[12]))


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


def _content(new: NewProduct, stored: Product | None, now: datetime) -> dict[str, Any]:
    """Return the columns of `new`, with what it leaves open taken from `stored` or the defaults."""
    values = {name: getattr(new, name) for name in _CONTENT}
    if new.inventory_status is None:
        values["inventory_status"] = stored.inventory_status if stored else IN_STOCK
    if new.recommendable is None:
        values["recommendable"] = stored.recommendable if stored else True
    if new.available_at is None:
        values["available_at"] = stored.available_at if stored else now
    return values


def _is_stored(row: Mapping[str, Any], stored: Product | None) -> bool:
    return stored is not None and all(row[name] == getattr(stored, name) for name in _CONTENT)


def _write(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    statement = insert_into(connection, products)
    replaced = {name: statement.excluded[name] for name in rows[0] if name != "external_id"}
    connection.execute(statement.on_conflict_do_update(index_elements=["external_id"], set_=replaced), rows)


def _contains(connection: Connection, column: ColumnElement[str], part: str) -> ColumnElement[bool]:
    """Return whether `column` contains `part` in any letter case, beyond ASCII too."""
    if connection.dialect.name != "sqlite":
        return column.icontains(part, autoescape=True)
    # SQLite's own lower() knows ASCII only.
    connection.connection.driver_connection.create_function("quintet_lower", 1, str.lower, deterministic=True)  # type: ignore[union-attr]
    return func.instr(func.quintet_lower(column), part.lower()) > 0
