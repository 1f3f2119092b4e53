"""Prices and stock by themselves, of products and of what a store or region offers of them.

Each is true from a moment on. A change with an earlier moment than the stored one changes nothing, so changes may come
in any order. What an offer does not say holds as the product itself says it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Column, Connection, Select, Table, bindparam, cast, func, select

from shared.db.batches import among
from shared.db.bulk import update_rows
from shared.db.driver import DriverCursor, PreparedLookup, PreparedPairs, PreparedQuery
from shared.db.engine import next_count, replace_rows
from shared.db.products import CHANGES
from shared.db.schema import product_offers, products
from shared.db.types import to_micros


@dataclass(frozen=True)
class PriceChange:
    """A price of a product, at a place unless `place_id` is empty; an amount of None says that there is none."""

    product_id: str
    place_id: str
    amount: int | None
    currency: str | None
    since: datetime

    COLUMNS = ("price", "currency")
    MOMENT = "price_updated_at"

    @property
    def values(self) -> tuple[Any, ...]:
        """What the columns are to hold."""
        return (self.amount, self.currency)


@dataclass(frozen=True)
class InventoryChange:
    """A status of a product, at a place unless `place_id` is empty; there None says that the product's own holds."""

    product_id: str
    place_id: str
    status: str | None
    since: datetime

    COLUMNS = ("inventory_status",)
    MOMENT = "inventory_updated_at"

    @property
    def values(self) -> tuple[Any, ...]:
        """What the columns are to hold."""
        return (self.status,)


Change = PriceChange | InventoryChange


@dataclass(frozen=True)
class Applied:
    """What became of changes.

    `applied` counts those that hold now, `stale` those that were older than what is stored or than another of the same
    call, and `unknown` has the places of those whose product there is not.
    """

    applied: int
    stale: int
    unknown: tuple[int, ...]


class Offer(NamedTuple):
    """What a place offers of a product; None where the product's own price or status holds."""

    place_id: str
    product_key: int
    price: int | None
    currency: str | None
    inventory_status: str | None
    change_sequence: int


class _Stored(NamedTuple):
    """What is stored of a product or an offer; `moment` in microseconds since 1970."""

    moment: int | None
    values: tuple[Any, ...]
    change_sequence: int


def _state(table: Table, name: Column[Any], kind: type[Change]) -> Select[Any]:
    """Return the statement for key, name, moment, change and values of the rows of a table."""
    values = [table.c[column] for column in kind.COLUMNS]
    return select(table.c.product_id, name, cast(table.c[kind.MOMENT], BigInteger), table.c.change_sequence, *values)


_LIVE_KEYS = PreparedLookup(
    select(products.c.external_id, products.c.product_id).where(products.c.deleted_at.is_(None)),
    products.c.external_id,
)
_PRODUCT_STATE = {
    kind: PreparedLookup(_state(products, products.c.product_id, kind), products.c.product_id)
    for kind in (PriceChange, InventoryChange)
}
_OFFER_STATE = {
    kind: PreparedPairs(
        _state(product_offers, product_offers.c.place_id, kind), product_offers.c.product_id, product_offers.c.place_id
    )
    for kind in (PriceChange, InventoryChange)
}
_OFFERS = select(
    product_offers.c.place_id,
    product_offers.c.product_id,
    product_offers.c.price,
    product_offers.c.currency,
    product_offers.c.inventory_status,
    product_offers.c.change_sequence,
)
_CHANGED = PreparedQuery(
    _OFFERS.where(product_offers.c.change_sequence > bindparam("change", type_=BigInteger)).order_by(
        product_offers.c.place_id, product_offers.c.product_id
    )
)


def apply_changes(connection: Connection, changes: Sequence[Change]) -> Applied:
    """Apply changes of one kind, each unless a later one is known. Nothing is embedded anew.

    What is stored just so already is no change to those who follow the catalogue.
    """
    number = next_count(connection, CHANGES)
    keys = dict(_LIVE_KEYS.fetch(connection, sorted({each.product_id for each in changes})))
    unknown = tuple(place for place, each in enumerate(changes) if each.product_id not in keys)
    latest: dict[tuple[str, int], Change] = {}
    for each in sorted((each for each in changes if each.product_id in keys), key=lambda each: each.since):
        latest[each.place_id, keys[each.product_id]] = each
    applied = _apply_to_products(connection, {key: each for (place, key), each in latest.items() if not place}, number)
    applied += _apply_to_offers(connection, {pair: each for pair, each in latest.items() if pair[0]}, number)
    return Applied(applied, len(changes) - len(unknown) - applied, unknown)


def offers_since(connection: Connection, change_sequence: int) -> Iterator[Offer]:
    """Yield the offers that changed after `change_sequence`, place by place; 0 yields all."""
    return map(Offer._make, DriverCursor.of(connection).stream(_CHANGED, change=change_sequence))


def offers_at(connection: Connection, place_id: str, keys: Iterable[int]) -> list[Offer]:
    """Return what a place offers of some products, in no order."""
    chosen = _OFFERS.where(product_offers.c.place_id == place_id, among(connection, product_offers.c.product_id, keys))
    return [Offer._make(row) for row in connection.execute(chosen)]


def offers_of(connection: Connection, product_key: int, after_place: str = "", limit: int = 100) -> list[Offer]:
    """Return up to `limit` offers of a product, by ascending place, after a place."""
    chosen = _OFFERS.where(product_offers.c.product_id == product_key, product_offers.c.place_id > after_place)
    said = product_offers.c.price.is_not(None) | product_offers.c.inventory_status.is_not(None)
    ordered = chosen.where(said).order_by(product_offers.c.place_id).limit(limit)
    return [Offer._make(row) for row in connection.execute(ordered)]


def newest_offer_change(connection: Connection) -> int:
    """Return the number of the latest change of an offer; 0 for none."""
    return int(connection.execute(select(func.coalesce(func.max(product_offers.c.change_sequence), 0))).scalar_one())


def _apply_to_products(connection: Connection, changes: Mapping[int, Change], number: int) -> int:
    if not changes:
        return 0
    kind = type(next(iter(changes.values())))
    found = _PRODUCT_STATE[kind].fetch(connection, list(changes))
    stored = {key: _Stored(moment, tuple(values), change) for key, _, moment, change, *values in found}
    accepted = {key: each for key, each in changes.items() if _is_newer(each, stored[key].moment)}
    moved = [key for key, each in accepted.items() if each.values != stored[key].values]
    now = to_micros(datetime.now(UTC))
    rows = [(*accepted[key].values, to_micros(accepted[key].since), now, number, key) for key in moved]
    update_rows(connection, products, (*kind.COLUMNS, kind.MOMENT, "updated_at", "change_sequence"), rows)
    same = [(to_micros(each.since), key) for key, each in accepted.items() if each.values == stored[key].values]
    update_rows(connection, products, (kind.MOMENT,), same)
    return len(accepted)


def _apply_to_offers(connection: Connection, changes: Mapping[tuple[str, int], Change], number: int) -> int:
    if not changes:
        return 0
    kind = type(next(iter(changes.values())))
    found = _OFFER_STATE[kind].fetch(connection, [(key, place) for place, key in changes])
    stored = {(place, key): _Stored(moment, tuple(values), change) for key, place, moment, change, *values in found}
    accepted = {
        pair: each for pair, each in changes.items() if pair not in stored or _is_newer(each, stored[pair].moment)
    }
    rows = [_offer_row(pair, each, stored.get(pair), number) for pair, each in sorted(accepted.items())]
    replace_rows(connection, product_offers, ["place_id", "product_id"], rows)
    return len(accepted)


def _offer_row(pair: tuple[str, int], change: Change, stored: _Stored | None, number: int) -> dict[str, Any]:
    place_id, key = pair
    return {
        "place_id": place_id,
        "product_id": key,
        **dict(zip(change.COLUMNS, change.values, strict=True)),
        change.MOMENT: change.since,
        "change_sequence": stored.change_sequence if stored is not None and stored.values == change.values else number,
    }


def _is_newer(change: Change, moment: int | None) -> bool:
    return moment is None or to_micros(change.since) >= moment
