"""Questions of sessions: after each item, what comes next?"""

from dataclasses import dataclass
from typing import Self

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask, Rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from shared.grouped_order import time_order


@dataclass(frozen=True, eq=False)
class Steps:
    """Events of test sessions that have a target, and where the session before them lies.

    Parameters
    ----------
    products : ndarray of shape (n_events,), int32
        Products of all sessions that train knows, by session and time.
    customers : ndarray of shape (n_steps,), int32
        Row of each step's customer.
    starts, ends : ndarray of shape (n_steps,), int64
        `products[starts:ends]` is the session before the step, `products[ends]` its target.
    places : ndarray of shape (n_steps,), int64
        Events before the step in its session, of products that train does not know as well.
    times : ndarray of shape (n_steps,), int64
        When each step was taken.
    """

    products: Rows
    customers: Rows
    starts: Longs
    ends: Longs
    places: Longs
    times: Longs

    @classmethod
    def of(cls, test: Interactions, target: Kind | None, known: Mask) -> Self:
        """Return every event that follows another in its session (`baskets`), if its product is known.

        Events of kind `target` only, unless it is None. `known` (shape (n_products,)) says which products train knows;
        the others are left out of the sessions.
        """
        order = time_order(test.baskets, test.times)
        baskets = test.baskets[order]
        places = np.arange(len(baskets)) - np.searchsorted(baskets, baskets)
        kept = known[test.products[order]]
        order, baskets, places = order[kept], baskets[kept], places[kept]
        wanted = np.full(len(order), True) if target is None else test.kinds[order] == target
        ends = np.flatnonzero(wanted & (places > 0))
        starts = np.searchsorted(baskets, baskets[ends])
        taken = order[ends]
        return cls(test.products[order], test.customers[taken], starts, ends, places[ends], test.times[taken])

    def before(self, step: int) -> Rows:
        """Return the session before a step, oldest first, repeats kept."""
        return self.products[self.starts[step] : self.ends[step]]

    def target(self, step: int) -> Rows:
        """Return the product that came next, shape (1,)."""
        return self.products[self.ends[step] : self.ends[step] + 1]
