"""Histories that models must not use any more: of people who were erased, or who no longer agree to `train`.

A trained model holds some histories under the keys of `customers` (docs/decisions/0042). Each entry here has a number;
a model version knows up to which number it was made without the histories that are listed. Agents read the rest and
leave them out, until the stored model has been rewritten.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from shared.db.batches import distinct_batches
from shared.db.schema import erasure_receipts, forgotten_histories, merged_visitors

KEPT = timedelta(days=30)
"""Age at which an entry may be deleted: a training that began before it has ended by then."""


def forget(connection: Connection, customer_keys: Collection[int]) -> int:
    """List the histories of customers, and of the visitors that they were, and return the newest number."""
    former = merged_visitors.c
    keys = list(customer_keys)
    for some in distinct_batches(list(customer_keys)):
        keys += connection.execute(select(former.visitor_key).where(former.customer_id.in_(some))).scalars()
    if keys:
        now = datetime.now(UTC)
        rows = [{"customer_key": key, "forgotten_at": now} for key in keys]
        connection.execute(forgotten_histories.insert(), rows)
    return newest(connection)


def newest(connection: Connection) -> int:
    """Return the newest number; 0 when nothing was ever forgotten. Numbers are never used again."""
    listed = connection.execute(select(func.max(forgotten_histories.c.number))).scalar_one()
    named = connection.execute(select(func.max(erasure_receipts.c.forgotten))).scalar_one()
    return max(listed or 0, named or 0)


def keys_after(connection: Connection, number: int) -> list[int]:
    """Return the keys of histories listed after a number, in the order of the list."""
    columns = forgotten_histories.c
    query = select(columns.customer_key).where(columns.number > number).order_by(columns.number)
    return list(connection.execute(query).scalars())


def mark_removed(connection: Connection, number: int) -> None:
    """Say on the receipts up to a number that no stored model holds the histories any more; drop old entries."""
    now = datetime.now(UTC)
    receipts = erasure_receipts.c
    waiting = (receipts.forgotten <= number, receipts.models_time.is_(None))
    connection.execute(erasure_receipts.update().where(*waiting).values(models_time=now))
    columns = forgotten_histories.c
    old = (columns.number <= number, columns.number < newest(connection), columns.forgotten_at < now - KEPT)
    connection.execute(forgotten_histories.delete().where(*old))
