"""What the rules of a page need of a shopper, read from the database within a short time or not at all."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from quintet.recommendation.v1.recommendation_service_pb2 import RecommendRequest
from quintet.type.v1.error_pb2 import ErrorReason

from shared.consent import ALL_PERMITTED, Consent, Permissions
from shared.consent_messages import to_consent
from shared.db import product_offers, products, request_reads
from shared.db.driver import DriverCursor
from shared.db.engine import Database
from shared.db.product_offers import Offer
from shared.db.products import CatalogueEntry
from shared.db.request_reads import ShopperProducts, ShopperVersion
from shared.errors import NotFound, QuintetError, Unavailable
from shared.events.recommend import context_products
from shared.rpc.interceptor import deadline

SECONDS = 0.1
"""Longest wait, and never more than half of what is left of the caller's deadline. A read takes .3 ms on SQLite."""
MOST_PRODUCTS = 500
"""Products read for one answer: it bounds the time."""
READS_AT_ONCE = 8
"""Threads that read: a database that hangs holds no more than these."""
NOT_READ = "the shopper cannot be read from the database at the moment"
T = TypeVar("T")
log = structlog.get_logger()


class ShopperReader:
    """Reads shoppers for the fallback. `stop` after use.

    Of who does not permit `personalise` nothing is read. `default` is what is permitted where a shopper said nothing.
    """

    def __init__(self, database: Database, seconds: float = SECONDS, default: Permissions = ALL_PERMITTED) -> None:
        self._default = default
        self._database = database
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(READS_AT_ONCE, "shopper")

    async def read(
        self, request: RecommendRequest, known: Sequence[str] = (), *, groups: bool = False
    ) -> ShopperProducts:
        """Return what is stored of who asks, with the groups of the products if `groups`.

        `known` are ids of products that are known to exist.

        Raises
        ------
        NotFound
            If the customer, or a product that the context names, is not known; names the field.
        Unavailable
            If the database did not answer in time.
        """
        return await self._in_time(lambda: self._read(request, frozenset(known), groups=groups))

    async def read_products(self, keys: NDArray[np.int64]) -> list[CatalogueEntry]:
        """Return what is known of products, in no order: of the last `MOST_PRODUCTS` of the keys.

        Raises Unavailable if the database did not answer in time.
        """
        wanted = keys[-MOST_PRODUCTS:].tolist()
        return await self._in_time(lambda: self._read_products(wanted)) if wanted else []

    async def read_offers(self, place: str, keys: Sequence[int]) -> list[Offer]:
        """Return what a place offers of products, in no order. Raises Unavailable as above."""
        return await self._in_time(lambda: self._read_offers(place, keys))

    async def _in_time(self, read: Callable[[], T]) -> T:
        reading = asyncio.get_running_loop().run_in_executor(self._threads, read)
        try:
            return await asyncio.wait_for(reading, self._longest())
        except TimeoutError as error:  # what has not begun is cancelled, what has ends by itself
            raise Unavailable(NOT_READ, reason=ErrorReason.DATABASE_UNAVAILABLE) from error
        except (NotFound, Unavailable):
            raise
        except QuintetError as error:
            raise Unavailable(NOT_READ, reason=ErrorReason.DATABASE_UNAVAILABLE) from error
        except Exception as error:  # a damaged file, another schema: an answer is possible all the same
            log.exception("the shopper cannot be read")
            raise Unavailable(NOT_READ, reason=ErrorReason.DATABASE_UNAVAILABLE) from error

    def stop(self) -> None:
        """Give up what has not begun, and wait for what has: the database has its own time limits. Safe to repeat."""
        self._threads.shutdown(cancel_futures=True)

    def _longest(self) -> float:
        until = deadline.get()
        return self._seconds if until is None else max(0.0, min(self._seconds, (until - time.monotonic()) / 2))

    def _read(self, request: RecommendRequest, known: frozenset[str], *, groups: bool) -> ShopperProducts:
        named = list(context_products(request.context))
        self._check_products([each for each in named if each[0] not in known])
        with self._database.cursor() as cursor:
            version = request_reads.find_shopper(cursor, request.customer_id, request.visitor_id)
            if version is None and request.customer_id:
                raise NotFound.of("customer", request.customer_id, "customer_id")
            found = self._permitted(cursor, version, to_consent(request.consent, "consent"))
        return self._with_groups(found, [name for name, _ in named]) if groups else found

    def _permitted(self, cursor: DriverCursor, version: ShopperVersion | None, said: Consent) -> ShopperProducts:
        """Return the shopper's products and permissions; no products without the consent to personalise."""
        consent = version.consent.narrowed_by(said) if version else said
        permissions = consent.permissions(self._default)
        if version is None or not permissions.personalise:
            key = version.key if version else None
            return replace(ShopperProducts.nothing(), key=key, permissions=permissions)
        return replace(request_reads.read_shopper_products(cursor, version), permissions=permissions)

    def _with_groups(self, shopper: ShopperProducts, named: Sequence[str]) -> ShopperProducts:
        keys = np.unique(np.concatenate([shopper.cart, shopper.bought, shopper.dismissed])).tolist()
        events = [recorded.event for recorded in shopper.pending]
        ids = {item.product_id for event in events for item in event.add_to_cart.items}
        ids |= {item.product_id for event in events for item in event.purchase.items}
        with self._database.read() as connection:
            return replace(
                shopper,
                groups_by_key=products.groups_by_key(connection, keys),
                groups_by_id=products.groups_by_id(connection, ids | set(named)),
            )

    def _read_offers(self, place: str, keys: Sequence[int]) -> list[Offer]:
        with self._database.read() as connection:
            return product_offers.offers_at(connection, place, keys)

    def _read_products(self, keys: Sequence[int]) -> list[CatalogueEntry]:
        with self._database.read() as connection:
            return products.catalogue_entries(connection, keys)

    def _check_products(self, named: Sequence[tuple[str, str]]) -> None:
        """Raise NotFound naming the field for the first of (product id, field) that does not exist."""
        if not named:
            return
        with self._database.read() as connection:
            found = products.product_keys(connection, {name for name, _ in named})
        for name, field in named:
            if name not in found:
                raise NotFound.of("product", name, field)
