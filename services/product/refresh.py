"""The refresh job: `python -m services.product.refresh [--full]`.

It embeds products that have no embedding, or another price than when they were embedded, and recomputes similar and
complementary products. A new embedding space is fitted only if there is none, if it is damaged, if more than a fifth of
the catalogue changed in more than price and stock since it was fitted, or with `--full`. Otherwise the space is kept,
because vectors of different spaces cannot be compared, so with a new space all embeddings of products and customers
must be computed again.

All data is written in short transactions. A new space becomes active after all embeddings are stored. Products that
changed meanwhile are embedded right after that. If a refresh dies, the next one completes its work.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from services.product import relate
from services.product.embedding import EmbeddingSpace
from services.product.spaces import FittedSpace, features_of, load_space, save_space
from shared.config import Settings
from shared.consent import Permissions
from shared.db import product_embeddings, products, relations
from shared.db.batches import batches
from shared.db.connect import job_database
from shared.db.engine import Connection, Database
from shared.db.products import Product
from shared.db.relations import COMPLEMENTARY, SIMILAR
from shared.errors import DataLoss
from shared.jobs import ProgressReporter, job_main

DIMENSIONS = 64
REFIT_SHARE = 0.2
"""If a larger share of the catalogue changed, a new space is fitted."""

ROWS_PER_TRANSACTION = 2_000
ROWS_PER_TRANSFORM = 10_000
log = structlog.get_logger()


@dataclass(frozen=True)
class CatalogueSnapshot:
    """All products, and the sequence number of the newest change among them."""

    products: list[Product]
    change_sequence: int


def refresh(settings: Settings, reporter: ProgressReporter, *, full: bool = False) -> dict[str, Any]:
    """Refresh the catalogue and return counts, the version of the space and the duration in seconds."""
    started = time.monotonic()
    database = job_database(settings)
    try:
        with threadpool_limits(settings.train_threads):
            result = _refresh(database, reporter, settings.permissions, full=full)
    finally:
        database.close()
    return {**result, "seconds": round(time.monotonic() - started, 2)}


def _refresh(database: Database, reporter: ProgressReporter, default: Permissions, *, full: bool) -> dict[str, Any]:
    reporter.report("catalogue: reading", 0.0)
    catalogue = read_catalogue(database)
    if not catalogue.products:
        return {"products": 0}
    known = None if full else usable_space(database, catalogue)
    if known is None:
        version, embedded = fit_and_embed(database, catalogue, reporter)
    else:
        version, embedded = known.version, embed_missing(database, known, reporter)
    written = {SIMILAR: 0, COMPLEMENTARY: 0}
    with database.read() as connection:
        stale = relations.computed_through(connection, SIMILAR) < catalogue.change_sequence
    if stale or embedded:
        written[SIMILAR] = relate_similar(database, catalogue, version, reporter)
    written[COMPLEMENTARY] = relate_complementary(database, catalogue, reporter, default)
    return {
        "products": len(catalogue.products),
        "space_version": version,
        "space_fitted": known is None,
        "embedded": embedded,
        "similar_written": written[SIMILAR],
        "complementary_written": written[COMPLEMENTARY],
    }


def read_catalogue(database: Database) -> CatalogueSnapshot:
    """Return all products."""
    with database.read() as connection:
        # This number is read first: a product that changes in between is read in its new state and again next time.
        newest = products.newest_change(connection)
        return CatalogueSnapshot(products.all_products(connection), newest)


def usable_space(database: Database, catalogue: CatalogueSnapshot) -> FittedSpace | None:
    """Return the active space if it can still be used; None if a new one must be fitted."""
    try:
        known = load_space(database)
    except DataLoss as error:
        log.error("embedding space is damaged, fitting a new one", error=error.message)
        return None
    if known is None:
        return None
    contents = (product.content_sequence or product.change_sequence for product in catalogue.products)
    changed = sum(content > known.change_sequence for content in contents)
    return known if changed <= REFIT_SHARE * known.products else None


def fit_and_embed(database: Database, catalogue: CatalogueSnapshot, reporter: ProgressReporter) -> tuple[str, int]:
    """Fit a space, embed all products and make the space active; return its version and the number of embeddings."""
    reporter.report("embedding: fitting the space", 0.05)
    space = EmbeddingSpace.fit([features_of(product) for product in catalogue.products], DIMENSIONS)
    version = f"{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}"
    fitted = FittedSpace(version, space, len(catalogue.products), catalogue.change_sequence)
    reporter.report("embedding: products", 0.2)
    embed(database, fitted, catalogue.products)
    save_space(database, fitted)
    return version, len(catalogue.products) + embed_missing(database, fitted, reporter)


def embed_missing(database: Database, space: FittedSpace, reporter: ProgressReporter) -> int:
    """Embed the products that have no embedding in the space and return their number."""
    reporter.report("embedding: products that lack one", 0.3)
    with database.read() as connection:
        keys = product_embeddings.keys_to_embed(connection, space.version)
        missing = list(products.get_products_by_key(connection, keys).values())
    embed(database, space, missing, announce=True)
    return len(missing)


def embed(database: Database, space: FittedSpace, chosen: Sequence[Product], *, announce: bool = False) -> None:
    """Embed products and store the vectors.

    With `announce` the products are marked as changed, so that readers that follow the changes of the catalogue read
    the new vectors. A new space does not need this, because its readers read all vectors.
    """
    for portion in batches(chosen, ROWS_PER_TRANSFORM):
        vectors = space.space.transform([features_of(product) for product in portion])
        for rows in batches(range(len(portion)), ROWS_PER_TRANSACTION):
            with database.write() as connection:
                _store_vectors(connection, space.version, [portion[row] for row in rows], vectors[rows])
                if announce:
                    products.touch_products(connection, [portion[row].key for row in rows])


def _store_vectors(
    connection: Connection, version: str, embedded: Sequence[Product], vectors: NDArray[np.float32]
) -> None:
    """Store the vectors of the products that did not change since they were read.

    A product that changed has a newer vector already, or none and is embedded later.
    """
    newest = products.lock_changes(connection, [product.key for product in embedded])
    current = [row for row, product in enumerate(embedded) if newest[product.key] == product.change_sequence]
    keys = [embedded[row].key for row in current]
    product_embeddings.store_embeddings(connection, version, keys, vectors[current])


def relate_similar(database: Database, catalogue: CatalogueSnapshot, version: str, reporter: ProgressReporter) -> int:
    """Recompute the similar products of all products; return the number of changed rows."""
    begin, end = 0.35, 0.75
    reporter.report("relations: similar", begin)
    with database.read() as connection:
        embedded = product_embeddings.all_embeddings(connection, version)
    table = relate.similar(
        catalogue.products, embedded, lambda done: reporter.report("relations: similar", begin + (end - begin) * done)
    )
    return _store(database, SIMILAR, table, catalogue, reporter, end)


def relate_complementary(
    database: Database, catalogue: CatalogueSnapshot, reporter: ProgressReporter, default: Permissions
) -> int:
    """Recompute the complementary products of all products; return the number of changed rows.

    `default` says whether they are computed from orders of customers who said nothing.
    """
    reporter.report("relations: reading baskets", 0.8)
    with database.read() as connection:
        lines = relations.basket_lines(connection, default=default)
    reporter.report("relations: complementary", 0.85)
    table = relate.complementary(catalogue.products, lines)
    return _store(database, COMPLEMENTARY, table, catalogue, reporter, 0.95)


def _store(
    database: Database,
    relation: relations.Relation,
    table: relations.RelationTable,
    catalogue: CatalogueSnapshot,
    reporter: ProgressReporter,
    progress: float,
) -> int:
    """Store the rows that changed, then store the change number of the catalogue they were computed from."""
    reporter.report(f"relations: storing {relation}", progress)
    with database.read() as connection:
        stored = relations.all_relations(connection, relation)
    changed = relate.changed_rows(stored, table)
    for some in batches(changed, ROWS_PER_TRANSACTION):
        with database.write() as connection:
            relations.store_relations(connection, relation, some)
    with database.write() as connection:
        relations.mark_computed(connection, relation, catalogue.change_sequence)
    return len(changed)


def main(arguments: Sequence[str]) -> int:
    """Run as a child process; see `shared.jobs`."""
    full = "--full" in arguments
    return job_main("product", lambda settings, reporter: refresh(settings, reporter, full=full))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
