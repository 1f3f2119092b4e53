"""The refresh job: `python -m services.customer.refresh`.

It recomputes the embeddings of all customers in the active space, fits the segment model on the population and stores
the segments of every customer. It reads all data in one transaction, computes without a transaction and writes in
short transactions. The new segment model becomes active before the memberships are written. Readers compute
memberships from the model, so they never see a half-written set.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from services.customer.customer_history import catalogue_of, events_of
from services.customer.embedder import active_space, embed, rows_of
from services.customer.segmentation import KEPT_VERSIONS, KIND, Population, SegmentModel
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
    population = _population(shop)
    now = int(began.timestamp())
    model = SegmentModel.fit(_population(replace(shop, found=shop.found.without(shop.denied))), now)
    version = f"{began:%Y%m%dT%H%M%S%fZ}"
    models.save_model(database, KIND, version, model.dump(), {"customers": len(shop.customers)})
    models.prune(database, KIND, KEPT_VERSIONS)
    reporter.report("segments: storing memberships", 0.85)
    store_memberships(database, shop, model, model.memberships(population, now))
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
    vectors = embed(shop.found, shop.customers, shop.embeddings)
    known = np.flatnonzero(vectors.any(axis=1))
    for rows in batches(known.tolist(), ROWS_PER_TRANSACTION):
        with database.write() as connection:
            renewed = customer_embeddings.updated_since(connection, began)
            stale = [row for row in rows if int(shop.customers[row]) not in renewed]
            customer_embeddings.store_embeddings(
                connection, shop.space_version, shop.customers[stale].tolist(), vectors[stale], shop.applied
            )
    return len(known)


def store_memberships(
    database: Database, shop: Shop, model: SegmentModel, found: Sequence[Sequence[tuple[str, float]]]
) -> None:
    """Replace the stored segments and the memberships of every customer.

    `found` has (segment name, confidence) for each segment of each customer row.
    """
    with database.write() as connection:
        keys = segments.replace_segments(connection, model.segments())
    for rows in batches(range(len(found)), ROWS_PER_TRANSACTION):
        memberships = {
            int(shop.customers[row]): [(keys[name], confidence) for name, confidence in found[row]] for row in rows
        }
        with database.write() as connection:
            segments.replace_memberships(connection, memberships)


def _population(shop: Shop) -> Population:
    rows = rows_of(shop.found.products, shop.product_keys)
    events = events_of(shop.found, rows, shop.found.amounts)
    customer_rows = np.searchsorted(shop.customers, shop.found.customers).astype(np.int32)
    return Population(customer_rows, events, len(shop.customers), catalogue_of(shop.products))


if __name__ == "__main__":
    sys.exit(job_main("customer", refresh))
