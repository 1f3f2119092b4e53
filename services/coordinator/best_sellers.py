"""The best-sellers in memory: all that an answer shows of them, and the columns that the rules of pages look at.

Kept are the first 2,000 of the shop and the first 100 of each category, 20,000 at most: less than 20 MB, however
large the catalogue is. A thread follows the changes of stock, price and the rest of those products about twice a
second, and counts anew every ten minutes. So a product that comes back into stock, and was none of the best-sellers
meanwhile, is back with the next count.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property

import numpy as np
import structlog
from numpy.typing import NDArray

from shared.codes import Codes
from shared.consent import ALL_PERMITTED, Permissions
from shared.db import product_performance, products
from shared.db.change_watch import ChangeWatch
from shared.db.engine import Database
from shared.db.product_offers import Offer
from shared.db.products import CatalogueEntry
from shared.garbage import keep_out_what_came
from shared.page_rules import Rows
from shared.place_columns import PlaceColumns, PlaceOffers
from shared.product_columns import updated_columns
from shared.sale_times import ALWAYS, SaleTimes
from shared.telemetry import BACKGROUND_ERRORS

OVERALL, PER_CATEGORY, MOST = 2_000, 100, 20_000
"""Products kept: the first of the shop, the first of each category, and at most."""
LOOK_SECONDS = 0.5
"""Between two looks for changes."""
COUNT_SECONDS = 600.0
RETRY_SECONDS = 1.0
"""Between two counts while there are no best-sellers: none was sold yet, or the database is out of reach."""
log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class BestSellers:
    """Products in the order in which they sell, best first.

    Parameters
    ----------
    entries : tuple of CatalogueEntry
        What is known of each.
    stock : ndarray of shape (n,), int8
    category, currency, group : ndarray of shape (n,), int32
    price, added, expires : ndarray of shape (n,), int64
    categories, currencies, groups : Codes
        As `shared.product_columns.KeptColumns` says.
    change : int
        Number of the last change of the catalogue that is in here.
    """

    entries: tuple[CatalogueEntry, ...]
    stock: NDArray[np.int8]
    category: Rows
    currency: Rows
    price: NDArray[np.int64]
    group: Rows
    added: NDArray[np.int64]
    expires: NDArray[np.int64]
    rows_by_id: dict[str, int]
    rows_by_key: dict[int, int]
    categories: Codes = field(default_factory=Codes)
    currencies: Codes = field(default_factory=Codes)
    groups: Codes = field(default_factory=Codes)
    change: int = 0

    @classmethod
    def of(cls, entries: Sequence[CatalogueEntry] = (), change: int = 0) -> "BestSellers":
        """Return products, best first, as they are at a change of the catalogue."""
        n = len(entries)
        unknown = cls(
            entries=tuple(entries),
            stock=np.zeros(n, np.int8),
            category=np.full(n, -1, np.int32),
            currency=np.full(n, -1, np.int32),
            price=np.full(n, -1, np.int64),
            group=np.full(n, -1, np.int32),
            added=np.zeros(n, np.int64),
            expires=np.full(n, ALWAYS, np.int64),
            rows_by_id={entry.external_id: row for row, entry in enumerate(entries)},
            rows_by_key={entry.key: row for row, entry in enumerate(entries)},
        )
        return unknown.updated(entries, change)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def times(self) -> SaleTimes:
        """When those of them are on sale that are not so at all times."""
        return SaleTimes.of(self.added, self.expires, time.time())

    def at(self, offers: Sequence[Offer]) -> "BestSellers | PlaceColumns":
        """Return the columns as a store or region offers the products; what else it offers is left out."""
        if not offers:
            return self
        currencies = self.currencies.extended(each.currency or "" for each in offers)
        rows = self.rows_of(np.array([each.product_key for each in offers], np.int64))
        return PlaceColumns(self, PlaceOffers.of(rows, offers, currencies), currencies)

    def updated(self, changed: Iterable[CatalogueEntry], change: int) -> "BestSellers":
        """Return the products with some of them as they are at a later change of the catalogue."""
        now = {self.rows_by_key[entry.key]: entry for entry in changed}
        rows = np.fromiter(now, np.int32, len(now))
        entries = list(self.entries)
        for row, entry in now.items():
            entries[row] = entry
        return replace(
            self,
            entries=tuple(entries),
            **updated_columns(self, rows, list(now.values())),
            change=change,
        )

    def among(self, rows: Rows, others: Iterable[CatalogueEntry]) -> "BestSellers":
        """Return those of them at `rows` (-1 is none, rows may repeat), and behind them the `others` by their key."""
        own = [self.entries[row] for row in np.unique(rows[rows >= 0]).tolist()]
        return BestSellers.of([*own, *sorted(others, key=lambda entry: entry.key)], self.change)

    def row_of_id(self, external_id: str) -> int | None:
        """Return the row of the platform's id; None for a product that is not among them."""
        return self.rows_by_id.get(external_id)

    def rows_of_ids(self, external_ids: Iterable[str]) -> Rows:
        """Return the rows of the platform's ids in their order, int32; -1 for products that are not among them."""
        return np.array([self.rows_by_id.get(each, -1) for each in external_ids], np.int32)

    def rows_of(self, keys: NDArray[np.int64]) -> Rows:
        """Return the rows of keys in their order, int32; -1 for products that are not among them."""
        return np.array([self.rows_by_key.get(each, -1) for each in keys.tolist()], np.int32)


class BestSellerCache:
    """Keeps the best-sellers current. `start` before use, `stop` after.

    While the database is out of reach, what was read last stays.
    """

    def __init__(self, database: Database, default: Permissions = ALL_PERMITTED) -> None:
        self._database = database
        self._default = default
        self._watch = ChangeWatch(database)
        self._best_sellers = BestSellers.of()
        self._count_at = 0.0
        self._missed = False
        self._failing = False
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="best-sellers", daemon=True)

    @property
    def best_sellers(self) -> BestSellers:
        """The best-sellers as they are now; none before the first count."""
        return self._best_sellers

    def start(self) -> None:
        """Count in the background, then follow the changes."""
        self._thread.start()

    def stop(self) -> None:
        """End the following. Safe to repeat."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._watch.close()

    def count(self) -> None:
        """Count the best-sellers anew and read them. Takes seconds on a large shop. Raises Unavailable."""
        with self._database.read() as connection:
            change = products.newest_change(connection)
            counted = product_performance.best_sellers(
                connection, datetime.now(UTC), OVERALL, PER_CATEGORY, MOST, self._default
            )
            found = products.catalogue_entries(connection, [each.key for each in counted])
        by_key = {entry.key: entry for entry in found}
        self._best_sellers = BestSellers.of([by_key[each.key] for each in counted], change)
        keep_out_what_came()

    def follow(self) -> None:
        """Read what changed of the best-sellers. Raises Unavailable."""
        before = self._best_sellers
        with self._database.read() as connection:
            change = products.newest_change(connection)
            if change <= before.change:
                return
            changed = products.catalogue_entries(connection, before.rows_by_key, before.change)
        self._best_sellers = before.updated(changed, change)

    def _work(self) -> None:
        while True:
            self._look()
            if self._stopping.wait(LOOK_SECONDS):
                return

    def _look(self) -> None:
        """Count or follow, whichever is due; what fails is tried again and the best-sellers stay as they were."""
        try:
            self._missed = self._watch.changed() or self._missed
            if time.monotonic() >= self._count_at:
                self._count_at = time.monotonic() + RETRY_SECONDS
                self.count()
                self._count_at = time.monotonic() + (COUNT_SECONDS if len(self._best_sellers) else RETRY_SECONDS)
            elif self._missed:
                self.follow()
            self._missed = self._failing = False
        except Exception:  # whatever is wrong with the database, best-sellers answer from memory
            if not self._failing:
                log.exception("cannot follow the best-sellers")
            BACKGROUND_ERRORS.labels("coordinator", "best_sellers").inc()
            self._failing = True
