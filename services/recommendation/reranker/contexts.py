"""The contexts that a reranker is trained for: each has training examples of its own.

An example describes the shopper as a page would at that moment: with the history of that moment, in the same form, and
without the products that the page does not show.
"""

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.shopper import Shopper, profile_clock
from shared.page_rules import Page

LONGEST_HISTORY = 2_000
"""Latest events of a shopper that are used: as many as serving reads for a page (docs/decisions/0022)."""
SESSION_SECONDS = 4 * 3600
"""A latest session whose last interaction is older is over: nothing in it is the present."""
NOTHING: Rows = np.empty(0, np.int32)


class RerankContext(StrEnum):
    """What a reranker predicts.

    DISCOVERY: the products that a customer obtains for the first time. EVERYTHING: all products that they obtain next.
    BASKET: the products that they add to a basket. SESSION: the product that they view next.
    """

    DISCOVERY = "discovery"
    EVERYTHING = "everything"
    BASKET = "basket"
    SESSION = "session"


CONTEXT_OF_PAGE: Mapping[Page, RerankContext] = {
    Page.HOME: RerankContext.DISCOVERY,
    Page.CATEGORY: RerankContext.DISCOVERY,
    Page.SEARCH: RerankContext.DISCOVERY,
    Page.PRODUCT: RerankContext.SESSION,
    Page.CART: RerankContext.BASKET,
    Page.POST_PURCHASE: RerankContext.BASKET,
    Page.BUY_AGAIN: RerankContext.EVERYTHING,
}
"""The context whose reranker orders a page."""


def recent(shopper: Shopper, most: int = LONGEST_HISTORY) -> Shopper:
    """Return the shopper with the latest `most` events of the history only, at least 1."""
    if len(shopper.products) <= most:
        return shopper
    latest = slice(-most, None)
    return replace(
        shopper,
        products=shopper.products[latest],
        kinds=shopper.kinds[latest],
        quantities=shopper.quantities[latest],
        times=shopper.times[latest],
        baskets=shopper.baskets[latest],
    )


def with_profile_clock(shopper: Shopper) -> Shopper:
    """Return the shopper with `profile_clock` as `now`."""
    moment = profile_clock(shopper.now, shopper.times)
    return shopper if moment == shopper.now else replace(shopper, now=moment)
