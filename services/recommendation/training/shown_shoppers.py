"""Shoppers as they were when a list was made for them, in the form in which its page's reranker was asked.

The log names the page and the moment, not what was in view or in the cart: these are taken from what the shopper did
just before.
"""

import numpy as np

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker.contexts import CONTEXT_OF_PAGE, NOTHING, SESSION_SECONDS, RerankContext
from services.recommendation.training.eval_rounds import PastShoppers
from shared.page_rules import Page


def case_of_list(
    page: Page, pasts: PastShoppers, customer: int, moment: int, shown: Rows, chosen: Rows
) -> EvalCase | None:
    """Return a list as a question: who was asked, what they chose, and what the page would not have shown them.

    None where nothing is known of what the page was about: no product in view, no cart, no history.

    Parameters
    ----------
    page : Page
        Where the list was.
    customer, moment : int
        Row of the customer, and when, in Unix seconds.
    shown, chosen : ndarray of shape (n,), int32
        Rows of the items that were on screen and of those with a response, ascending.
    """
    shopper = pasts.shopper(customer, moment)
    context = CONTEXT_OF_PAGE[page]
    if not len(shopper.products):
        return None
    on_page = NOTHING
    if context is RerankContext.SESSION:
        on_page = _session(shopper)
        shopper = pasts.shopper(customer, moment, session=on_page, current=_last(on_page))
        on_page = on_page[-1:]
    elif context is RerankContext.BASKET:
        on_page = _order(shopper) if page is Page.POST_PURCHASE else _cart(shopper)
        shopper = pasts.shopper(customer, moment, cart=on_page)
    if context in (RerankContext.SESSION, RerankContext.BASKET) and not len(on_page):
        return None
    left_out = NOTHING if context is RerankContext.EVERYTHING else np.union1d(shopper.bought, on_page)
    return EvalCase(shopper, chosen, np.setdiff1d(left_out, shown).astype(np.int32), customer)


def _last(session: Rows) -> int | None:
    return int(session[-1]) if len(session) else None


def _session(shopper: Shopper) -> Rows:
    """Return the products that are looked at in the session that is going on, oldest first, repeats kept."""
    views = (shopper.kinds == Kind.VIEW) & _lately(shopper)
    if not views.any():
        return NOTHING
    latest = shopper.baskets[views][-1]
    session: Rows = shopper.products[views & (shopper.baskets == latest)]
    return session


def _cart(shopper: Shopper) -> Rows:
    """Return what was put into the cart lately and not bought since, ascending."""
    carts = (shopper.kinds == Kind.CART) & _lately(shopper)
    bought = np.flatnonzero(shopper.kinds == Kind.PURCHASE)
    carts[: bought[-1] if len(bought) else 0] = False
    return np.unique(shopper.products[carts])


def _order(shopper: Shopper) -> Rows:
    """Return what was just bought, ascending."""
    bought = (shopper.kinds == Kind.PURCHASE) & _lately(shopper)
    return np.unique(shopper.last_basket) if bought.any() else NOTHING


def _lately(shopper: Shopper) -> Mask:
    lately: Mask = shopper.times > shopper.now - SESSION_SECONDS
    return lately
