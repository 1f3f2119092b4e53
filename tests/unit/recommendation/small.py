"""A small catalogue in memory for unit tests."""

from datetime import UTC, datetime
from typing import Any

import numpy as np

from services.recommendation.serving.catalogue import Catalogue
from shared.db.products import CatalogueEntry

DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)


def entry(key: int, change: int = 1, **facts: Any) -> CatalogueEntry:
    """Return product `p<key>` at 100 · key EUR, in stock."""
    values = {
        "key": key,
        "external_id": f"p{key}",
        "name": f"Product {key}",
        "category": "Coffee",
        "subcategory": "",
        "brand": "",
        "price": 100 * key,
        "currency": "EUR",
        "image_url": None,
        "inventory_status": "IN_STOCK",
        "recommendable": True,
        "available_at": DAY_ONE,
        "change_sequence": change,
    }
    return CatalogueEntry(**{**values, **facts})


def catalogue(*entries: CatalogueEntry, keys: tuple[int, ...] = ()) -> Catalogue:
    """Return a catalogue that begins with the rows of `keys`."""
    return Catalogue.of_keys(np.array(keys, dtype=np.int64)).updated(entries)
