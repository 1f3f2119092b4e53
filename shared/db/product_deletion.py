"""Products that are deleted: the row stays, for history refers to it, and who offers products leaves it out."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, func, select

from shared.db.batches import batches
from shared.db.driver import DriverCursor, PreparedQuery
from shared.db.engine import next_count
from shared.db.products import CHANGES
from shared.db.schema import products
from shared.db.types import to_micros
from shared.ids import digests
from shared.inventory import DISCONTINUED

_LIVE = PreparedQuery(
    select(products.c.product_id, products.c.external_id)
    .where(
        products.c.deleted_at.is_(None), products.c.updated_at.cast(BigInteger) < bindparam("before", type_=BigInteger)
    )
    .order_by(products.c.product_id)
)


def count_live(connection: Connection) -> int:
    """Return how many products there are that are not deleted."""
    counted = select(func.count()).select_from(products).where(products.c.deleted_at.is_(None))
    return int(connection.execute(counted).scalar_one())


def not_listed(connection: Connection, listed: NDArray[np.uint64], before: datetime) -> NDArray[np.int64]:
    """Return the keys of the products that a complete list does not name.

    Parameters
    ----------
    listed : ndarray of shape (n,), uint64
        `digests` of the ids that the list names. Of 1,000,000 products, one that is not named counts as named with a
        chance of 1 in 18,000,000.
    before : datetime
        What changed from then on is left out.
    """
    wanted, found = np.unique(listed), []
    for rows in DriverCursor.of(connection).pieces(_LIVE, before=to_micros(before)):
        keys = np.fromiter((key for key, _ in rows), np.int64, len(rows))
        found.append(keys[~np.isin(digests(name for _, name in rows), wanted)])
    return np.concatenate([np.empty(0, np.int64), *found])


def delete_products(connection: Connection, keys: Sequence[int], before: datetime | None = None) -> int:
    """Delete products and return how many of them were there; with `before`, those that changed since then stay.

    They count as discontinued too, for readers that know of no deletion.
    """
    change, now, deleted = next_count(connection, CHANGES), datetime.now(UTC), 0
    gone = {"deleted_at": now, "inventory_status": DISCONTINUED, "updated_at": now, "change_sequence": change}
    for some in batches(keys):
        chosen: list[ColumnElement[bool]] = [products.c.product_id.in_(some), products.c.deleted_at.is_(None)]
        if before is not None:
            chosen.append(products.c.updated_at < before)
        deleted += connection.execute(products.update().where(*chosen).values(**gone)).rowcount
    return deleted
