"""What tells of each product whether it is as it was when somebody kept a copy of it."""

from itertools import chain

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, cast, select

from shared.db.driver import DriverCursor, PreparedQuery
from shared.db.engine import Connection
from shared.db.schema import products

_STAMPS = PreparedQuery(
    select(products.c.product_id, products.c.change_sequence, cast(products.c.updated_at, BigInteger)).order_by(
        products.c.product_id
    )
)


def product_stamps(connection: Connection) -> NDArray[np.int64]:
    """Return the stamps of all products: shape (n, 3), int64, by ascending key.

    Columns: key, number of the latest change, moment of the latest update in microseconds.
    """
    rows = DriverCursor.of(connection).fetch(_STAMPS)
    return np.fromiter(chain.from_iterable(rows), np.int64, 3 * len(rows)).reshape(-1, 3)
