"""Pages for shoppers of whom nothing is known: all of them get the same, so it is kept for some seconds."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import replace
from weakref import ReferenceType, ref

from services.recommendation.request import Query
from services.recommendation.serving.choice import Choice
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.request_context import RequestContext

KEPT_SECONDS = 10.0
"""What is new or trending changes slowly; a change of the catalogue, the model or the weights counts at once."""
MOST_PAGES = 1_000


class ImpersonalPages:
    """Choices by what was asked, for the latest serving state. Safe to call from several threads."""

    def __init__(self, seconds: float = KEPT_SECONDS, most: int = MOST_PAGES) -> None:
        self._seconds = seconds
        self._most = most
        # Weak: a state that is no longer current must not stay in memory until the next such shopper comes.
        self._serving: ReferenceType[ServingState] | None = None
        self._pages: OrderedDict[Hashable, tuple[float, Choice]] = OrderedDict()
        self._guard = threading.Lock()

    def choose(
        self, serving: ServingState, request: RequestContext, query: Query, make: Callable[[], Choice]
    ) -> Choice:
        """Return what `make` returns, or what it returned some seconds ago for another such shopper.

        A choice for which an algorithm failed is not kept.
        """
        if not request.impersonal:
            return make()
        key = (replace(query.context, session_id=""), query.filters, query.limit, *sorted(request.groups.items()))
        now = time.monotonic()
        with self._guard:
            if not self._is_of(serving):
                self._serving = ref(serving)
                self._pages.clear()
            kept = self._pages.get(key)
        if kept is not None and now - kept[0] < self._seconds:
            return kept[1]
        choice = make()
        if not choice.failed:
            self._keep(serving, key, now, choice)
        return choice

    def _keep(self, serving: ServingState, key: Hashable, now: float, choice: Choice) -> None:
        with self._guard:
            if self._is_of(serving):
                self._pages[key] = (now, choice)
                self._pages.move_to_end(key)
                while len(self._pages) > self._most:
                    self._pages.popitem(last=False)

    def _is_of(self, serving: ServingState) -> bool:
        """Say whether the pages were made from this state."""
        return self._serving is not None and self._serving() is serving
