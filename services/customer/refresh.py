"""The refresh job: `python -m services.customer.refresh`.

It recomputes the embeddings of all customers in the active space, fits the segment model on the population and stores
the segments of every customer. It reads all data in one transaction, computes without a transaction, some millions of
interactions at a time, and writes in short transactions. The new segment model becomes active before the memberships
are written. Readers compute memberships from the model, so they never see a half-written set.
"""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from services.customer.customer_history import catalogue_of, events_of
from services.customer.embedder import active_space, embed, rows_of
from services.customer.interests import CatalogueLabels
from services.customer.segmentation import KEPT_VERSIONS, KIND, Facts, Population, SegmentModel
from shared.config import Settings
from shared.consent import ALL_PERMITTED, Permissions
from shared.db import (
    consents,
    customer_embeddings,
    customers,
    event_log,
    interactions,
    models,
    product_embeddings,
    profiles,
    segments,
)
from shared.db.batches import batches
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.db.interactions import InteractionRows
from shared.db.product_embeddings import EmbeddingMatrix
from shared.db.profiles import Labels
from shared.jobs import ProgressReporter, job_main

ROWS_PER_TRANSACTION = 2_000
INTERACTIONS_AT_ONCE = 5_000_000
"""Interactions of the customers that are computed together, about; it limits the memory."""


@dataclass(frozen=True, eq=False)
class Shop:
    """The data that the refresh computes from, read in one transaction. Keys ascend.

    `denied` are the customers who do not permit `train`: the segment model is fitted without what they did. Events up
    to the number `applied` of the log are in it.
    """

    customers: NDArray[np.int64]
    product_keys: NDArray[np.int64]
    products: list[Labels]
    found: InteractionRows
    space_version: str | None
    embeddings: EmbeddingMatrix
    applied: int
    denied: Sequence[int] = ()


def refresh(settings: Settings, reporter: ProgressReporter) -> dict[str, Any]:
    """Refresh all customers and return counts, versions and the duration in seconds."""
    started = time.monotonic()
    database = job_database(settings)
    try:
        with threadpool_limits(settings.train_threads):
            result = _refresh(database, reporter, settings.permissions)
    finally:
        database.close()
    return {**result, "seconds": round(time.monotonic() - started, 2)}


def _refresh(database: Database, reporter: ProgressReporter, default: Permissions) -> dict[str, Any]:
    began = datetime.now(UTC)
    reporter.report("customers: reading what they did", 0.0)
    shop = read_shop(database, default)
    if not len(shop.customers):
        return {"customers": 0}
    reporter.report("embeddings: computing", 0.4)
    embedded = refresh_embeddings(database, shop, began)
    reporter.report("segments: fitting", 0.6)
    catalogue = catalogue_of(shop.products)
    facts = [_facts(part, catalogue, int(began.timestamp())) for part in parts_of(shop)]
    model = SegmentModel.fit_on(Facts.joined(facts), catalogue, _denied(shop))
    version = f"{began:%Y%m%dT%H%M%S%fZ}"
    models.save_model(database, KIND, version, model.dump(), {"customers": len(shop.customers)})
    models.prune(database, KIND, KEPT_VERSIONS)
    reporter.report("segments: storing memberships", 0.85)
    store_memberships(database, shop, model, facts)
    return {
        "customers": len(shop.customers),
        "embedded": embedded,
        "space_version": shop.space_version or "",
        "segments": len(model.segments()),
        "segments_version": version,
    }


def read_shop(database: Database, default: Permissions = ALL_PERMITTED) -> Shop:
    """Return the data that the refresh computes from; `default` is what is permitted where nothing was said."""
    with database.read() as connection:
        labels = dict(sorted(profiles.all_labels(connection).items()))
        space_version = active_space(connection)
        found = interactions.all_interactions(connection)
        return Shop(
            # A customer may have been added between the two reads.
            customers=np.union1d(np.array(customers.all_keys(connection), dtype=np.int64), found.customers),
            product_keys=np.fromiter(labels, dtype=np.int64, count=len(labels)),
            products=list(labels.values()),
            found=found,
            space_version=space_version,
            applied=event_log.cursor(connection, event_log.CUSTOMER_CONSUMER),
            embeddings=product_embeddings.all_embeddings(connection, space_version or ""),
            denied=consents.denied_keys(connection, "train", default),
        )


def refresh_embeddings(database: Database, shop: Shop, began: datetime) -> int:
    """Store the embedding of every customer who has one, and return the number of these customers.

    An embedding that was updated after `began`, because of a new event, is not replaced.
    """
    if shop.space_version is None or not len(shop.embeddings):
        return 0
    return sum(_refresh_embeddings(database, part, shop.space_version, began) for part in parts_of(shop))


def _refresh_embeddings(database: Database, shop: Shop, space_version: str, began: datetime) -> int:
    vectors = embed(shop.found, shop.customers, shop.embeddings)
    known = np.flatnonzero(vectors.any(axis=1))
    for rows in batches(known.tolist(), ROWS_PER_TRANSACTION):
        with database.write() as connection:
            renewed = customer_embeddings.updated_since(connection, began, shop.customers[rows].tolist())
            stale = [row for row in rows if int(shop.customers[row]) not in renewed]
            customer_embeddings.store_embeddings(
                connection, space_version, shop.customers[stale].tolist(), vectors[stale], shop.applied
            )
    return len(known)


def store_memberships(database: Database, shop: Shop, model: SegmentModel, facts: Sequence[Facts]) -> None:
    """Replace the stored segments and the memberships of every customer; `facts` are those of the parts of the shop."""
    with database.write() as connection:
        keys = segments.replace_segments(connection, model.segments())
    for part, known in zip(parts_of(shop), facts, strict=True):
        found = model.memberships_of(known)
        for rows in batches(range(len(found)), ROWS_PER_TRANSACTION):
            memberships = {
                int(part.customers[row]): [(keys[name], confidence) for name, confidence in found[row]] for row in rows
            }
            with database.write() as connection:
                segments.replace_memberships(connection, memberships)


def parts_of(shop: Shop, most: int = INTERACTIONS_AT_ONCE) -> Iterator[Shop]:
    """Yield the shop with some of the customers after others: those of about `most` interactions."""
    first = np.searchsorted(shop.found.customers, shop.customers)
    number = first // most
    begins = np.flatnonzero(np.diff(number, prepend=-1))
    for begin, end in pairwise([*begins.tolist(), len(shop.customers)]):
        until = int(first[end]) if end < len(first) else len(shop.found)
        found = shop.found.where(slice(int(first[begin]), until))
        yield replace(shop, customers=shop.customers[begin:end], found=found)


def _facts(shop: Shop, catalogue: CatalogueLabels, now: int) -> Facts:
    rows = rows_of(shop.found.products, shop.product_keys)
    events = events_of(shop.found, rows, shop.found.amounts)
    customer_rows = np.searchsorted(shop.customers, shop.found.customers).astype(np.int32)
    return Facts.of(Population(customer_rows, events, len(shop.customers), catalogue), now, _denied(shop))


def _denied(shop: Shop) -> NDArray[np.bool_]:
    return np.isin(shop.customers, np.asarray(shop.denied, np.int64))


if __name__ == "__main__":
    sys.exit(job_main("customer", refresh))
