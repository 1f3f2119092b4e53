"""Pages made a moment ago: who asks again while nothing changed that the page depends on gets the same page.

A shopper reloads a page, comes back to it, or a shop asks twice; shoppers of whom nothing is known all get the same.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from weakref import ReferenceType, ref

from services.recommendation.request import Query, ReadyPage
from services.recommendation.serving.known_shopper import KnownShopper
from services.recommendation.serving.model_manager import ServingState
from shared.telemetry import PAGES

MOST_PRODUCTS = 30_000
"""Products on the pages that are kept, at most; each takes some 0.4 KB. A page of none counts as one."""
_KEPT, _MADE = PAGES.labels("kept"), PAGES.labels("made")


class RecentPages:
    """Pages by what they depend on, for the latest serving state. Safe to call from several threads.

    Parameters
    ----------
    seconds : float
        How long a page is kept; 0 keeps none. Weights of events decay over days, so minutes change nothing; all else
        that a page depends on counts at once.
    most : int
        Products on the pages that are kept, at most.
    """

    def __init__(self, seconds: float, most: int = MOST_PRODUCTS) -> None:
        self._seconds = seconds
        self._most = most
        # Weak: a state that is no longer current must not stay in memory until the next call.
        self._serving: ReferenceType[ServingState] | None = None
        self._pages: OrderedDict[Hashable, tuple[float, ReadyPage]] = OrderedDict()
        self._products = 0
        self._guard = threading.Lock()

    def get(
        self, serving: ServingState, shopper: KnownShopper, query: Query, make: Callable[[], ReadyPage]
    ) -> ReadyPage:
        """Return what `make` returns, or what it returned within the last `seconds` for the same key.

        A page for which an algorithm failed is not kept.
        """
        key = (page_key(shopper, query), serving.catalogue.times.period(time.time()))
        now = time.monotonic()
        with self._guard:
            if not self._is_of(serving):
                self._serving = ref(serving)
                self._pages.clear()
                self._products = 0
            kept = self._pages.get(key)
        if kept is not None and now - kept[0] < self._seconds:
            _KEPT.inc()
            return kept[1]
        _MADE.inc()
        page = make()
        if not page.failed and self._seconds:
            self._keep(serving, key, now, page)
        return page

    def _keep(self, serving: ServingState, key: Hashable, now: float, page: ReadyPage) -> None:
        with self._guard:
            if self._is_of(serving):
                before = self._pages.pop(key, None)
                self._products += _size(page) - (_size(before[1]) if before else 0)
                self._pages[key] = (now, page)
                while self._products > self._most:
                    self._products -= _size(self._pages.popitem(last=False)[1][1])

    def _is_of(self, serving: ServingState) -> bool:
        """Say whether the pages were made from this state."""
        return self._serving is not None and self._serving() is serving


def _size(page: ReadyPage) -> int:
    return max(page.items.count, 1)


def page_key(shopper: KnownShopper, query: Query) -> Hashable:
    """Return all that a page depends on besides the serving state and the time."""
    context = query.context
    return (
        context.page,
        context.product_id,
        context.category,
        context.cart_product_ids,
        context.purchased_product_ids,
        context.place_id,
        shopper.search,
        query.filters,
        query.limit,
        shopper.past.digest,
        shopper.session.tobytes(),
        *sorted(shopper.person.labels.items()),
    )
