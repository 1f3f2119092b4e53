"""The situation of one call: who asks, what they did, where they are; read from the database in one transaction."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Longs, Rows
from services.recommendation.algorithms.interactions import DAY, EVENT_WEIGHTS, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.models.groups import labels_of
from services.recommendation.request import Page, PageContext, Query
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.retrieval import ShopperViews
from shared.db import customers, interactions, recommendations, request_reads
from shared.db.engine import Connection
from shared.db.interactions import History
from shared.errors import NotFound

RECENT = 500
RECENT_TO_BUY_AGAIN = 2000
"""Latest interactions that are read: on most pages, and on the one that needs every rhythm."""
SESSION_SECONDS = 4 * 3600
"""A latest session whose last interaction is older is over: nothing in it is the present."""
JUST_BOUGHT_SECONDS = 24 * 3600
"""How long a purchase satisfies a need: meanwhile its substitutes step back."""
LONGEST_ABSENCE_DAYS = 60
"""Taste fades no further than this while a shopper is away: who comes back is not a stranger."""


@dataclass(frozen=True)
class Person:
    """Who asks: key in the database, None for a visitor nobody knows yet, and values of their groups."""

    key: int | None
    labels: dict[str, str]


@dataclass(frozen=True, eq=False)
class RequestContext:
    """One call as the algorithms need it.

    Parameters
    ----------
    person : Person
        Who asks.
    views : ShopperViews
        What the algorithms see.
    bought : ndarray of shape (n_bought,), int32
        Rows of the products ever bought.
    here : ndarray of shape (n_here,), int32
        Rows of the products that are on the page or in the cart already.
    dismissed : ndarray of shape (n_dismissed,), int32
        Rows of the products the shopper said no to.
    just_bought : ndarray of shape (n_just_bought,), int32
        Rows of the products bought within the last day, or named as just bought.
    interaction_strength : float
        How much is known of the shopper, in views.
    """

    person: Person
    views: ShopperViews
    bought: Rows
    here: Rows
    dismissed: Rows
    just_bought: Rows
    interaction_strength: float

    def excluded(self, only_bought: bool) -> Rows:
        """Return the rows that must not be shown: with `only_bought` everything never bought stays out otherwise."""
        return np.concatenate([self.here, self.dismissed] + ([] if only_bought else [self.bought]))


def read_request_context(connection: Connection, query: Query, serving: ServingState) -> RequestContext:
    """Read the situation of a call.

    Raises
    ------
    NotFound
        If the customer, or a product that the context names, is not known; names the field.
    """
    catalogue, context = serving.catalogue, query.context
    named = NamedProducts.of(catalogue, context)
    person = _person(connection, query)
    if person.key is None:
        return _request_context(serving, person, query, named, UserHistory.nothing())
    return _request_context(
        serving, person, query, named, _read_user_history(connection, person.key, context, catalogue)
    )


@dataclass(frozen=True, eq=False)
class NamedProducts:
    """Rows of the products that the context names."""

    current: int | None
    cart: Rows
    purchased: Rows

    @classmethod
    def of(cls, catalogue: Catalogue, context: PageContext) -> "NamedProducts":
        current = _row(catalogue, context.product_id, "context.product_id") if context.product_id else None
        cart = _rows(catalogue, context.cart_product_ids, "context.cart_product_ids")
        return cls(current, cart, _rows(catalogue, context.purchased_product_ids, "context.purchased_product_ids"))


@dataclass(frozen=True, eq=False)
class UserHistory:
    """What the events left: rows but for `times`; the history without products that are not in the catalogue."""

    products: Rows
    kinds: NDArray[np.int8]
    quantities: NDArray[np.float32]
    times: Longs
    baskets: Rows
    session: Rows
    cart: Rows
    last_order: Rows
    bought: Rows
    dismissed: Rows
    search: str

    @classmethod
    def nothing(cls) -> "UserHistory":
        """Return the past of somebody nobody knows."""
        none, no_kinds, no_units = np.empty(0, np.int32), np.empty(0, np.int8), np.empty(0, np.float32)
        return cls(none, no_kinds, no_units, np.empty(0, np.int64), none, none, none, none, none, none, "")


def _person(connection: Connection, query: Query) -> Person:
    if query.customer_id:
        found = request_reads.find_person(connection, query.customer_id)
        if found is None:
            raise NotFound.of("customer", query.customer_id, "customer_id")
        return Person(found[0], labels_of(customers.groups_of(*found)))
    return Person(customers.known_visitors(connection, [query.visitor_id]).get(query.visitor_id), {})


def _read_user_history(connection: Connection, key: int, context: PageContext, catalogue: Catalogue) -> UserHistory:
    limit = RECENT_TO_BUY_AGAIN if context.page is Page.BUY_AGAIN else RECENT
    history = interactions.recent_history(connection, key, limit)
    session = _session_key(connection, key, context, history)
    searching = context.page is Page.SEARCH and not context.search_query
    past = history.interactions
    rows = catalogue.rows_of(past.products)
    known = rows >= 0
    in_session = known & (past.sessions == session) & (past.kinds != Kind.PURCHASE)
    return UserHistory(
        products=rows[known],
        kinds=past.kinds[known],
        quantities=past.quantities[known],
        times=past.times[known],
        baskets=np.unique(past.baskets[known], return_inverse=True)[1].astype(np.int32),
        session=rows[in_session],
        cart=_known(catalogue, history.cart),
        last_order=_known(catalogue, history.last_purchase),
        bought=_known(catalogue, request_reads.bought_products(connection, key)),
        dismissed=_known(catalogue, recommendations.dismissed_products(connection, key)),
        search=request_reads.latest_search(connection, key, session) if searching else "",
    )


def _session_key(connection: Connection, key: int, context: PageContext, history: History) -> int:
    """Return the session that is going on; 0 for none."""
    if context.session_id:
        return interactions.find_session(connection, key, context.session_id) or 0
    times = history.interactions.times[history.interactions.sessions == history.latest_session]
    over = len(times) > 0 and time.time() - int(times[-1]) > SESSION_SECONDS
    return 0 if over else history.latest_session


def _request_context(
    serving: ServingState, person: Person, query: Query, named: NamedProducts, past: UserHistory
) -> RequestContext:
    context, clock = query.context, int(time.time())
    cart = named.cart if context.cart_product_ids else past.cart
    ordered = _order(context, named, past)
    current = np.array([] if named.current is None else [named.current], dtype=np.int32)
    whole = Shopper(
        now=_profile_clock(clock, past.times),
        products=past.products,
        kinds=past.kinds,
        quantities=past.quantities,
        times=past.times,
        baskets=past.baskets,
        session=past.session,
        current=named.current,
        cart=ordered if context.page is Page.POST_PURCHASE else cart,
        groups=serving.groups.codes(person.labels),
    )
    return RequestContext(
        person=person,
        views=ShopperViews(whole, serving.trained, clock, context.search_query or past.search),
        bought=np.concatenate([past.bought, named.purchased]),
        here=np.concatenate([current, cart, ordered]),
        dismissed=past.dismissed,
        just_bought=np.concatenate([_lately_bought(past, clock), named.purchased]),
        interaction_strength=_interaction_strength(whole),
    )


def _order(context: PageContext, named: NamedProducts, past: UserHistory) -> Rows:
    """Return what was just bought; on other pages than the one after a purchase, only what the context names."""
    if context.page is Page.POST_PURCHASE and not context.purchased_product_ids:
        return past.last_order
    return named.purchased


def _lately_bought(past: UserHistory, clock: int) -> Rows:
    rows: Rows = past.products[(past.kinds == Kind.PURCHASE) & (past.times > clock - JUST_BOUGHT_SECONDS)]
    return rows


def _profile_clock(clock: int, times: Longs) -> int:
    latest = int(times[-1]) if len(times) else clock
    return min(clock, latest + LONGEST_ABSENCE_DAYS * DAY)


def _interaction_strength(whole: Shopper) -> float:
    present = len(whole.present) * EVENT_WEIGHTS[Kind.VIEW] + len(whole.cart) * EVENT_WEIGHTS[Kind.CART]
    return float(EVENT_WEIGHTS[whole.kinds].sum() + present)


def _row(catalogue: Catalogue, product_id: str, field: str) -> int:
    row = catalogue.row_of_id(product_id)
    if row is None:
        raise NotFound.of("product", product_id, field)
    return row


def _rows(catalogue: Catalogue, product_ids: Sequence[str], field: str) -> Rows:
    rows = [_row(catalogue, product_id, f"{field}[{index}]") for index, product_id in enumerate(product_ids)]
    return np.array(rows, dtype=np.int32)


def _known(catalogue: Catalogue, keys: Iterable[int]) -> Rows:
    rows = catalogue.rows_of(keys)
    return rows[rows >= 0]
