"""Reads one customer's events for the other modules: products are numbered by rows, with labels for each row."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.customer.events import Events
from services.customer.interests import CatalogueLabels, Labels
from shared.db import profiles
from shared.db.engine import Connection
from shared.db.interactions import InteractionRows, interactions_of


@dataclass(frozen=True, eq=False)
class CustomerHistory:
    """The events of a customer. The products that occur in them are numbered from 0; this number is the product row.

    Attributes
    ----------
    events : Events
        All events of the customer with products.
    products : list of str
        The platform's id of each product row.
    catalogue : CatalogueLabels
        Category and brand of each product row.
    currency : str
        The currency of most purchases; empty if there are none. Amounts in other currencies are set to 0 (unknown),
        because minor units of different currencies cannot be added.
    """

    events: Events
    products: list[str]
    catalogue: CatalogueLabels
    currency: str


def read_customer_history(connection: Connection, customer_key: int) -> CustomerHistory:
    """Return a customer's history; it has no events if the customer has none."""
    found = interactions_of(connection, [customer_key])
    keys, rows = np.unique(found.products, return_inverse=True)
    labels = profiles.labels(connection, keys.tolist())
    met = [labels[key] for key in keys.tolist()]
    currencies = profiles.currencies(connection, customer_key)
    currency = Counter(currencies.values()).most_common(1)[0][0] if currencies else ""
    counted = [key for key, each in currencies.items() if each == currency]
    amounts = np.where(np.isin(found.purchases, counted), found.amounts, 0)
    return CustomerHistory(
        events_of(found, rows, amounts), [each.product_id for each in met], catalogue_of(met), currency
    )


def events_of(found: InteractionRows, rows: NDArray[np.int64], amounts: NDArray[np.int64]) -> Events:
    """Return interactions as events whose products are `rows`, shape (n,); a row is negative if it is unknown."""
    return Events.of(found.times, rows, found.kinds, found.quantities, amounts, found.purchases, found.durations)


def catalogue_of(products: Sequence[profiles.Labels]) -> CatalogueLabels:
    """Return the categories and brands of product rows."""
    return CatalogueLabels(_coded([each.category for each in products]), _coded([each.brand for each in products]))


def _coded(values: Sequence[str]) -> Labels:
    names = sorted({value for value in values if value})
    code = {name: number for number, name in enumerate(names)}
    return Labels(np.array([code.get(value, -1) for value in values], dtype=np.int32), names)
