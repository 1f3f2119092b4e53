"""Which customers and products exist, remembered between events so that most are recorded without a look-up."""

import threading
from collections.abc import Callable, Sequence

from shared.db import customers, products
from shared.db.engine import Connection

MOST_REMEMBERED = 500_000
"""Ids of each kind that are remembered; some 100 bytes each."""

LookUp = Callable[[Connection, Sequence[str]], dict[str, int]]


class KnownIds:
    """Keys by external id. Only ids that exist are remembered; one that is unknown is looked up each time.

    A customer may be erased meanwhile: then the database refuses the event, because its key refers to nothing, and the
    writer calls `forget` and looks again. Products are never deleted.
    """

    def __init__(self) -> None:
        self._customers: dict[str, int] = {}
        self._products: dict[str, int] = {}
        self._guard = threading.Lock()

    def customers(self, connection: Connection, wanted: Sequence[str]) -> dict[str, int]:
        """Return the keys of those of the `wanted` customers that exist."""
        return self._known(self._customers, customers.resolve_customers, connection, wanted)

    def products(self, connection: Connection, wanted: Sequence[str]) -> dict[str, int]:
        """Return the keys of those of the `wanted` products that exist."""
        return self._known(self._products, products.product_keys, connection, wanted)

    def forget(self) -> None:
        """Forget all ids."""
        with self._guard:
            self._customers.clear()
            self._products.clear()

    def _known(
        self, remembered: dict[str, int], look_up: LookUp, connection: Connection, wanted: Sequence[str]
    ) -> dict[str, int]:
        with self._guard:
            known = {name: remembered[name] for name in wanted if name in remembered}
        missing = [name for name in wanted if name not in known]
        if not missing:
            return known
        found = look_up(connection, missing)
        with self._guard:
            if len(remembered) + len(found) > MOST_REMEMBERED:
                remembered.clear()
            remembered.update(found)
        return known | found
