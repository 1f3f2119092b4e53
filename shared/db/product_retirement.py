"""Deletes what a complete list of products does not name, in short transactions, unless it is suspiciously much."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shared.db import product_deletion
from shared.db.batches import batches
from shared.db.engine import Database
from shared.errors import FailedPrecondition

MAX_RETIRED_SHARE = 0.5
"""Largest share of the catalogue that is deleted unless more is allowed."""
ROWS_PER_TRANSACTION = 500


@dataclass(frozen=True, eq=False)
class CompleteList:
    """A complete list of products.

    Parameters
    ----------
    listed : ndarray of shape (n,), uint64
        Digests of the ids that it names.
    begun : datetime
        What changed since then is not deleted.
    max_share : float
        Largest share of the catalogue that may be deleted, 0 to 1.
    validate_only : bool
        Only count.
    """

    listed: NDArray[np.uint64]
    begun: datetime
    max_share: float
    validate_only: bool = False


def retire(database: Database, complete: CompleteList) -> int:
    """Delete what the list does not name and return how many. Raises FailedPrecondition, with nothing deleted."""
    with database.read() as connection:
        keys = product_deletion.not_listed(connection, complete.listed, complete.begun)
        total = product_deletion.count_live(connection)
    if len(keys) > complete.max_share * total:
        raise FailedPrecondition(
            f"the list leaves out {len(keys)} of {total} products, more than the share {complete.max_share:g} that may "
            "be deleted: nothing is deleted; if the list is complete, allow a larger share"
        )
    if complete.validate_only:
        return len(keys)
    deleted = 0
    for some in batches(keys.tolist(), ROWS_PER_TRANSACTION):
        with database.write() as connection:
            deleted += product_deletion.delete_products(connection, some, complete.begun)
    return deleted
