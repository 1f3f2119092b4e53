"""What is known at the moment of a call: who asks, what they did and where they are."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.interactions import EVENT_WEIGHTS, Kind
from services.recommendation.algorithms.shopper import Shopper, profile_clock
from services.recommendation.request import Page, PageContext, Query
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.retrieval import ShopperViews
from services.recommendation.serving.user_history import NOBODY, Person, UserHistories, UserHistory, session_key
from shared.errors import NotFound
from shared.page_rules import NamedRows, PastRows, ShopperRows, open_cart

SESSION_SECONDS = 4 * 3600
"""A latest session whose last interaction is older is over: nothing in it is the present."""
JUST_BOUGHT_SECONDS = 24 * 3600
"""How long a purchase satisfies a need: meanwhile its substitutes step back."""


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
    on_page : ndarray of shape (n_on_page,), int32
        Rows of the products that are on the page or in the cart already.
    dismissed : ndarray of shape (n_dismissed,), int32
        Rows of the products the shopper said no to.
    just_bought : ndarray of shape (n_just_bought,), int32
        Rows of the products bought within the last day, or named as just bought.
    interaction_strength : float
        How much is known of the shopper, in views.
    impersonal : bool
        Whether nothing is known of the shopper but the groups and what the call itself says.
    """

    person: Person
    views: ShopperViews
    bought: Rows
    on_page: Rows
    dismissed: Rows
    just_bought: Rows
    interaction_strength: float
    impersonal: bool = False

    @property
    def groups(self) -> dict[str, int]:
        """Codes of the shopper's groups, by name."""
        return self.views.whole.groups


def read_request_context(histories: UserHistories, query: Query, serving: ServingState) -> RequestContext:
    """Read who asks, what they did and where they are.

    Raises
    ------
    NotFound
        If the customer, or a product that the context names, is not known; names the field.
    """
    catalogue, context = serving.catalogue, query.context
    named = NamedProducts.of(catalogue, context)
    found = histories.read(query.customer_id, query.visitor_id, catalogue, serving.version)
    if found is None and query.customer_id:
        raise NotFound.of("customer", query.customer_id, "customer_id")
    person, past = found or (NOBODY, UserHistory.nothing())
    session = _session_key(histories, person, context, past)
    search = _search(histories, person, context, past, session)
    return _request_context(serving, person, query, named, past, past.in_session(session), search)


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


def _session_key(histories: UserHistories, person: Person, context: PageContext, past: UserHistory) -> int:
    """Return the session that is going on; 0 for none."""
    if person.key is not None and context.session_id:
        key = session_key(past, context.session_id)
        return histories.find_session(person.key, context.session_id) if key is None else key
    times = past.times[past.sessions == past.latest_session]
    over = len(times) > 0 and time.time() - int(times[-1]) > SESSION_SECONDS
    return 0 if over else past.latest_session


def _search(histories: UserHistories, person: Person, context: PageContext, past: UserHistory, session: int) -> str:
    """Return what is searched for: what the context says, or on the page of results the session's latest search."""
    if context.search_query or context.page is not Page.SEARCH or person.key is None:
        return context.search_query
    return past.searches.get(session) or histories.latest_search(person.key, session)


def _request_context(
    serving: ServingState,
    person: Person,
    query: Query,
    named: NamedProducts,
    past: UserHistory,
    session: Rows,
    search: str,
) -> RequestContext:
    context, clock = query.context, int(time.time())
    current = np.array([] if named.current is None else [named.current], dtype=np.int32)
    on_call, left = NamedRows(current, named.cart, named.purchased), PastRows(past.cart, past.bought, past.dismissed)
    apart = ShopperRows.of(on_call, left)
    whole = Shopper(
        now=profile_clock(clock, past.times),
        products=past.products,
        kinds=past.kinds,
        quantities=past.quantities,
        times=past.times,
        baskets=past.baskets,
        session=session,
        current=named.current,
        cart=_order(context, named, past) if context.page is Page.POST_PURCHASE else open_cart(on_call, left),
        groups=serving.groups.codes(person.labels),
    )
    return RequestContext(
        person=person,
        views=ShopperViews(whole, serving.trained, clock, search),
        bought=apart.bought,
        on_page=apart.on_page,
        dismissed=apart.dismissed,
        just_bought=np.concatenate([lately_bought(whole, clock), named.purchased]),
        interaction_strength=interaction_strength(whole),
        impersonal=past.says_nothing and search == context.search_query,
    )


def _order(context: PageContext, named: NamedProducts, past: UserHistory) -> Rows:
    """Return what was just bought: the order that the context names, or the latest."""
    return named.purchased if context.purchased_product_ids else past.last_order


def lately_bought(shopper: Shopper, clock: int) -> Rows:
    """Return the rows of the products bought within the day before `clock`."""
    bought = shopper.kinds == Kind.PURCHASE
    rows: Rows = shopper.products[bought & (shopper.times > clock - JUST_BOUGHT_SECONDS)]
    return rows


def interaction_strength(whole: Shopper) -> float:
    """Return how much is known of a shopper, in views."""
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
