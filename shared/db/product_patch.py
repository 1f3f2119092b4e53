"""Changes of products: what is set, what is cleared, and what stays as it is stored.

Price and status are true from a moment on. The change with the latest moment holds, in whatever order changes come; of
two with the same moment the one that comes last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from shared.db.product_facts import CONTENT, AttributeValue, NewProduct, Product
from shared.inventory import IN_STOCK

TIMED = {"price": "price_updated_at", "inventory_status": "inventory_updated_at"}
"""Columns whose values are true from a moment on, and the columns of the moments."""
STATE = (*CONTENT, *TIMED.values(), "deleted_at")
"""Columns that a change may write, but for the stamps of the change itself."""
_KEPT = ("inventory_status", "recommendable", "available_at")
_DEFAULTS: Mapping[str, Any] = {
    "name": "",
    "description": "",
    "category": "",
    "subcategory": "",
    "brand": "",
    "price": None,
    "currency": None,
    "attributes": {},
    "tags": (),
    "image_urls": (),
    "average_rating": None,
    "group_id": "",
    "expire_at": None,
    "inventory_status": IN_STOCK,
    "recommendable": True,
    "price_updated_at": None,
    "inventory_updated_at": None,
    "deleted_at": None,
}


@dataclass(frozen=True, kw_only=True)
class ProductPatch:
    """A change of a product, or a new one.

    Parameters
    ----------
    external_id : str
        The platform's id.
    values : mapping of str to value
        New values of columns; the others stay. `price` and `currency` come together.
    attributes : mapping of str to value
        Attributes to set one by one; None removes one.
    effective_at : datetime, optional
        When price and status became true; now where not given.
    """

    external_id: str
    values: Mapping[str, Any]
    attributes: Mapping[str, AttributeValue | None] = field(default_factory=dict)
    effective_at: datetime | None = None

    @classmethod
    def replacing(cls, new: NewProduct) -> Self:
        """Return the change that makes a stored product as `new` says, but for what it leaves open with None."""
        values = {name: getattr(new, name) for name in CONTENT if name != "external_id"}
        kept = {name for name in _KEPT if values[name] is None}
        return cls(
            external_id=new.external_id, values={name: value for name, value in values.items() if name not in kept}
        )

    @classmethod
    def giving(cls, new: NewProduct) -> Self:
        """Return the change that sets what `new` gives, attributes one by one, and leaves what it has empty."""
        given = {name: getattr(new, name) for name in CONTENT if name not in ("external_id", "attributes")}
        values = {name: value for name, value in given.items() if value not in ("", None, ())}
        return cls(external_id=new.external_id, values=values, attributes=new.attributes)


@dataclass(frozen=True)
class Merged:
    """A product after a change: its columns by name, and how many of price and status were left as they are newer."""

    row: dict[str, Any]
    stale: int = 0


def merged(patch: ProductPatch, stored: Product | None, now: datetime) -> Merged:
    """Return a product as it is after a change at `now`.

    A deleted one begins anew, with its id and the time since when it is available.
    """
    row = _before(patch, stored, now)
    values, moment, stale = dict(patch.values), patch.effective_at or now, 0
    for name, clock in TIMED.items():
        if name not in values:
            continue
        if row[clock] is not None and moment < row[clock]:
            stale += 1
            del values[name]
            if name == "price":
                values.pop("currency", None)
        else:
            row[clock] = moment
    row |= values
    if patch.attributes:
        given = {**row["attributes"], **patch.attributes}
        row["attributes"] = {name: value for name, value in given.items() if value is not None}
    return Merged(row, stale)


def same_content(row: Mapping[str, Any], stored: Product) -> bool:
    """Say whether a row says what is stored, but for the moments since when price and status are true."""
    plain = all(row[name] == getattr(stored, name) for name in (*CONTENT, "deleted_at") if name != "attributes")
    return plain and _typed(row["attributes"]) == _typed(stored.attributes)


def same_but_for_price_and_stock(row: Mapping[str, Any], stored: Product) -> bool:
    """Say whether nothing else is different from what is stored."""
    said = {name: getattr(stored, name) for name in (*TIMED, "currency")}
    return same_content({**row, **said}, stored)


def same_moments(row: Mapping[str, Any], stored: Product) -> bool:
    """Say whether price and status are true since the moments that are stored."""
    return all(row[clock] == getattr(stored, clock) for clock in TIMED.values())


def _before(patch: ProductPatch, stored: Product | None, now: datetime) -> dict[str, Any]:
    if stored is not None and not stored.deleted:
        return {name: getattr(stored, name) for name in STATE}
    available = now if stored is None else stored.available_at
    return {**_DEFAULTS, "external_id": patch.external_id, "available_at": available}


def _typed(attributes: Mapping[str, AttributeValue]) -> dict[str, tuple[bool, AttributeValue]]:
    """Return attributes so that yes is not 1, as it is to Python."""
    return {name: (isinstance(value, bool), value) for name, value in attributes.items()}
