"""What the rules of a page need of a shopper, read from the database within a short time or not at all."""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import structlog
from numpy.typing import NDArray
from quintet.recommendation.v1.recommendation_service_pb2 import RecommendRequest
from quintet.type.v1.error_pb2 import ErrorReason

from shared.db import products, request_reads
from shared.db.engine import Database
from shared.db.products import CatalogueEntry
from shared.db.request_reads import ShopperProducts
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
    """Reads shoppers for the fallback. `stop` after use."""

    def __init__(self, database: Database, seconds: float = SECONDS) -> None:
        self._database = database
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(READS_AT_ONCE, "shopper")

    async def read(self, request: RecommendRequest, known: Sequence[str] = ()) -> ShopperProducts:
        """Return what is stored of who asks; `known` are ids of products that are known to exist.

        Raises
        ------
        NotFound
            If the customer, or a product that the context names, is not known; names the field.
        Unavailable
            If the database did not answer in time.
        """
        return await self._in_time(lambda: self._read(request, frozenset(known)))

    async def read_products(self, keys: NDArray[np.int64]) -> list[CatalogueEntry]:
        """Return what is known of products, in no order: of the last `MOST_PRODUCTS` of the keys.

        Raises Unavailable if the database did not answer in time.
        """
        wanted = keys[-MOST_PRODUCTS:].tolist()
        return await self._in_time(lambda: self._read_products(wanted)) if wanted else []

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

    def _read(self, request: RecommendRequest, known: frozenset[str]) -> ShopperProducts:
        self._check_products([each for each in context_products(request.context) if each[0] not in known])
        with self._database.cursor() as cursor:
            version = request_reads.find_shopper(cursor, request.customer_id, request.visitor_id)
            if version is not None:
                return request_reads.read_shopper_products(cursor, version)
        if request.customer_id:
            raise NotFound.of("customer", request.customer_id, "customer_id")
        return ShopperProducts.nothing()

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
