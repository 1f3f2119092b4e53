"""One customer's behaviour as the domain modules take it: events with product rows, and what those rows are."""

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
    """What a customer did. Product rows count the products met, each once.

    Attributes
    ----------
    events : Events
        Everything the customer did with products.
    products : list of str
        The platform's id of each product row.
    catalogue : CatalogueLabels
        Category and brand of each product row.
    currency : str
        Currency of most of the purchases, empty without any. Amounts in other currencies count as unknown (0): minor
        units of different currencies do not add up.
    """

    events: Events
    products: list[str]
    catalogue: CatalogueLabels
    currency: str


def read_customer_history(connection: Connection, customer_key: int) -> CustomerHistory:
    """Return a customer's history; one without events for a customer who did nothing yet."""
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
    """Return interactions as events whose products are `rows`, shape (n,), negative where unknown."""
    return Events.of(found.times, rows, found.kinds, found.quantities, amounts, found.purchases, found.durations)


def catalogue_of(products: Sequence[profiles.Labels]) -> CatalogueLabels:
    """Return the categories and brands of product rows."""
    return CatalogueLabels(_coded([each.category for each in products]), _coded([each.brand for each in products]))


def _coded(values: Sequence[str]) -> Labels:
    names = sorted({value for value in values if value})
    code = {name: number for number, name in enumerate(names)}
    return Labels(np.array([code.get(value, -1) for value in values], dtype=np.int32), names)
