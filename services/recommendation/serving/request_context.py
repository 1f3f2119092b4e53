"""One call as the algorithms need it: what the shopper did, and where they are."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.interactions import EVENT_WEIGHTS, Kind
from services.recommendation.algorithms.shopper import Shopper, profile_clock
from services.recommendation.request import Page, PageContext, Query
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.known_shopper import KnownShopper
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.retrieval import ShopperViews
from services.recommendation.serving.user_history import UserHistory
from shared.errors import NotFound
from shared.page_rules import NamedRows, PastRows, ShopperRows, open_cart

JUST_BOUGHT_SECONDS = 24 * 3600
"""How long a purchase satisfies a need: meanwhile its substitutes step back."""


@dataclass(frozen=True, eq=False)
class RequestContext:
    """One call as the algorithms need it.

    Parameters
    ----------
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
    place : str
        The store or region whose stock and prices count; empty for none.
    """

    views: ShopperViews
    bought: Rows
    on_page: Rows
    dismissed: Rows
    just_bought: Rows
    interaction_strength: float
    place: str = ""

    @property
    def groups(self) -> dict[str, int]:
        """Codes of the shopper's groups, by name."""
        return self.views.whole.groups


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


def request_context(
    shopper: KnownShopper, query: Query, serving: ServingState, clock: int | None = None
) -> RequestContext:
    """Return a shopper's call as the algorithms need it, at a time (`clock`, Unix seconds; default now).

    Raises
    ------
    NotFound
        If a product that the context names is not known; names the field.
    """
    context, past = query.context, shopper.past
    clock = int(time.time()) if clock is None else clock
    named = NamedProducts.of(serving.catalogue, context)
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
        session=shopper.session,
        current=named.current,
        cart=_order(context, named, past) if context.page is Page.POST_PURCHASE else open_cart(on_call, left),
        groups=serving.groups.codes(shopper.person.labels),
    )
    return RequestContext(
        views=ShopperViews(whole, serving.trained, clock, shopper.search),
        bought=apart.bought,
        on_page=_with_shown(apart.on_page, query, serving.catalogue),
        dismissed=apart.dismissed,
        just_bought=np.concatenate([lately_bought(whole, clock), named.purchased]),
        interaction_strength=interaction_strength(whole),
        place=context.place_id,
    )


def _with_shown(on_page: Rows, query: Query, catalogue: Catalogue) -> Rows:
    """Return what is on the page, with what other lists of it, and the pages of this list before, show."""
    shown = (*query.shown, *query.beside)
    return np.concatenate([on_page, catalogue.rows_of(shown)]) if shown else on_page


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
