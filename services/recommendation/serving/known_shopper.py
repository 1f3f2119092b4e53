"""What is known of who asks: who it is, what they did, and what they do in this session."""

import time
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.request import Page, PageContext, Query
from services.recommendation.reranker.contexts import SESSION_SECONDS
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.user_history import Person, UserHistory, session_key
from shared.consent import Consent
from shared.errors import NotFound


@dataclass(frozen=True, eq=False)
class KnownShopper:
    """Who asks.

    Parameters
    ----------
    person : Person
        Who it is.
    past : UserHistory
        What they did.
    session : ndarray of shape (n_session,), int32
        Rows of the products of the session that is going on, oldest first; may repeat.
    search : str
        What they search for; empty for nothing.
    """

    person: Person
    past: UserHistory
    session: Rows
    search: str = ""


class ShopperHistories(Protocol):
    """Where shoppers are read: `UserHistories`, or one reading of it."""

    def read(
        self, customer_id: str, visitor_id: str, catalogue: Catalogue, model_version: str, consent: Consent
    ) -> tuple[Person, UserHistory] | None:
        """Return who asks and what they did; None for an unknown customer or visitor."""

    def nobody(self, consent: Consent) -> Person:
        """Return a visitor whom nobody knows yet."""

    def find_session(self, person_key: int, name: str) -> int:
        """Return the key of a session by its name; 0 for none."""

    def latest_search(self, person_key: int, session: int) -> str:
        """Return what was searched for last in a session; empty for nothing."""


class OneReading:
    """Histories for several answers to one call: what was read for the first holds for all of them."""

    def __init__(self, histories: ShopperHistories) -> None:
        self.read = cache(histories.read)
        self.nobody = histories.nobody
        self.find_session = cache(histories.find_session)
        self.latest_search = cache(histories.latest_search)


def read_known_shopper(histories: ShopperHistories, query: Query, serving: ServingState) -> KnownShopper:
    """Read who asks and what they did. Raises NotFound for an unknown customer."""
    found = histories.read(query.customer_id, query.visitor_id, serving.catalogue, serving.version, query.consent)
    if found is None and query.customer_id:
        raise NotFound.of("customer", query.customer_id, "customer_id")
    person, past = found or (histories.nobody(query.consent), UserHistory.nothing())
    if not person.permissions.personalise:
        return KnownShopper(person, past, past.in_session(0), query.context.search_query)
    session = _session_key(histories, person, query.context, past)
    search = _search(histories, person, query.context, past, session)
    return KnownShopper(person, past, past.in_session(session), search)


def _session_key(histories: ShopperHistories, person: Person, context: PageContext, past: UserHistory) -> int:
    """Return the session that is going on; 0 for none."""
    if person.key is not None and context.session_id:
        key = session_key(past, context.session_id)
        return histories.find_session(person.key, context.session_id) if key is None else key
    times = past.times[past.sessions == past.latest_session]
    over = len(times) > 0 and time.time() - int(times[-1]) > SESSION_SECONDS
    return 0 if over else past.latest_session


def _search(histories: ShopperHistories, person: Person, context: PageContext, past: UserHistory, session: int) -> str:
    """Return what is searched for: what the context says, or on the page of results the session's latest search."""
    if context.search_query or context.page is not Page.SEARCH or person.key is None:
        return context.search_query
    return past.searches.get(session) or histories.latest_search(person.key, session)
