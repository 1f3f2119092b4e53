"""What is known of a product: as the platform says it, as it is stored, and as serving keeps it in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from shared.inventory import BUYABLE

AttributeValue: TypeAlias = str | float | bool | list[str]
"""A further fact of a product: a text, a number, yes or no, or several texts."""


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
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    image_urls: tuple[str, ...] = ()
    average_rating: float | None = None
    group_id: str = ""
    expire_at: datetime | None = None


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
    """A product of the catalogue under its key.

    `price_updated_at` and `inventory_updated_at` say when price and status became true; None when they were never said.
    `content_sequence` is the last change of more than price and stock; None where a former release wrote the product.
    """

    key: int
    inventory_status: str
    recommendable: bool = True
    available_at: datetime
    updated_at: datetime
    change_sequence: int
    deleted_at: datetime | None = None
    price_updated_at: datetime | None = None
    inventory_updated_at: datetime | None = None
    content_sequence: int | None = None

    @property
    def deleted(self) -> bool:
        """Whether it was deleted."""
        return self.deleted_at is not None

    def on_sale(self, now: datetime) -> bool:
        """Say whether it can be bought, now or on order."""
        in_time = self.available_at <= now and (self.expire_at is None or now < self.expire_at)
        return in_time and not self.deleted and self.inventory_status in BUYABLE


class CatalogueEntry(NamedTuple):
    """What serving keeps of a product in memory. `price` is in minor units, `image_url` the first picture or None.

    `attributes` and `tags` are JSON texts: most changes leave them as they are, and then nobody reads them. A deleted
    product is not recommendable.
    """

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
    expire_at: datetime | None = None
    group_id: str = ""
    average_rating: float | None = None
    attributes: str = "{}"
    tags: str = "[]"


CONTENT = tuple(each.name for each in fields(NewProduct))
"""Names of the columns that the platform says."""


def facts_in(row: Mapping[str, Any]) -> NewProduct:
    """Return the product that a row of columns says."""
    return NewProduct(**{name: row[name] for name in CONTENT})
