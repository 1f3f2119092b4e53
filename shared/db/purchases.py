"""Purchases by the platform's own ids."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from shared.db.chunks import distinct_chunks
from shared.db.schema import purchases


def known_purchases(connection: Connection, external_ids: Collection[str]) -> set[str]:
    """Return those of the platform's ids that are purchases which were projected."""
    found: set[str] = set()
    for some in distinct_chunks(external_ids):
        query = select(purchases.c.external_id).where(purchases.c.external_id.in_(some))
        found.update(connection.execute(query).scalars())
    return found
