"""Updates of prices and stock of the contract to changes, with checks of each field, and what became of them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from quintet.product.v1 import product_service_pb2 as pb
from quintet.type.v1 import product_pb2
from quintet.type.v1.money_pb2 import Money

from services.product.convert_products import STATUS_PREFIX, moment, status
from shared.db.product_offers import Applied, InventoryChange, Offer, PriceChange
from shared.errors import InvalidArgument
from shared.events.check import check_count, check_id, check_money
from shared.limits import MAX_BATCH, MAX_PRICE_MINOR


def price_changes(updates: Sequence[product_pb2.PriceUpdate]) -> list[PriceChange]:
    """Return the prices to set. Raises InvalidArgument naming the first invalid field."""
    check_count(updates, "updates", MAX_BATCH, least=1)
    now = datetime.now(UTC)
    return [_price_change(each, f"updates[{index}]", now) for index, each in enumerate(updates)]


def inventory_changes(updates: Sequence[product_pb2.InventoryUpdate]) -> list[InventoryChange]:
    """Return the statuses to set. Raises InvalidArgument naming the first invalid field."""
    check_count(updates, "updates", MAX_BATCH, least=1)
    now = datetime.now(UTC)
    return [_inventory_change(each, f"updates[{index}]", now) for index, each in enumerate(updates)]


def to_counts(applied: Applied) -> product_pb2.UpdateCounts:
    """Return what became of updates as a message."""
    return product_pb2.UpdateCounts(applied=applied.applied, stale=applied.stale, unknown=applied.unknown)


def to_offers(offers: Sequence[Offer], next_token: str) -> pb.ListOffersResponse:
    """Return a page of offers as a response."""
    return pb.ListOffersResponse(offers=map(_to_offer, offers), next_page_token=next_token)


def _price_change(update: product_pb2.PriceUpdate, field: str, now: datetime) -> PriceChange:
    since = _checked(update, field) or now
    kind = update.WhichOneof("change")
    if kind == "price":
        check_money(update.price, f"{field}.price", MAX_PRICE_MINOR)
        return PriceChange(
            update.product_id, update.place_id, update.price.amount_minor, update.price.currency_code, since
        )
    if not update.clear:
        raise InvalidArgument.of(f"{field}.price", None, "is required unless clear is set")
    return PriceChange(update.product_id, update.place_id, None, None, since)


def _inventory_change(update: product_pb2.InventoryUpdate, field: str, now: datetime) -> InventoryChange:
    since = _checked(update, field) or now
    said = status(update.inventory_status, f"{field}.inventory_status")
    if update.clear and (said or not update.place_id):
        raise InvalidArgument.of(f"{field}.clear", True, "belongs to a place and is given without a status")
    if not update.clear and said is None:
        raise InvalidArgument.of(
            f"{field}.inventory_status", update.inventory_status, "is required unless clear is set"
        )
    return InventoryChange(update.product_id, update.place_id, said, since)


def _checked(update: Any, field: str) -> datetime | None:
    """Check what both kinds of updates have, and return since when this one is true."""
    check_id(update.product_id, f"{field}.product_id")
    check_id(update.place_id, f"{field}.place_id", required=False)
    said = update.effective_time if update.HasField("effective_time") else None
    return moment(said, f"{field}.effective_time")


def _to_offer(offer: Offer) -> product_pb2.Offer:
    message = product_pb2.Offer(place_id=offer.place_id)
    if offer.price is not None:
        message.price.CopyFrom(Money(currency_code=offer.currency or "", amount_minor=offer.price))
    if offer.inventory_status is not None:
        message.inventory_status = product_pb2.InventoryStatus.Value(f"{STATUS_PREFIX}{offer.inventory_status}")
    return message
