"""The contexts that a hybrid is learned for, and what is asked in each of what a shop's customers did later.

A question puts the shopper where the page will put them: with what was known at that moment, in the same form, and
without the products that the page does not show.
"""

from enum import StrEnum

import numpy as np

from services.recommendation.algorithms.arrays import Rows

LONGEST_HISTORY = 500
"""Latest events of a shopper that are known: as many as are read when a page is answered."""
NOTHING: Rows = np.empty(0, np.int32)


class RerankContext(StrEnum):
    """What a hybrid is learned for.

    DISCOVERY asks for what a customer next obtains for the first time, EVERYTHING for all they obtain next, BASKET for
    what joins a basket that is begun, SESSION for the product that is looked at next.
    """

    DISCOVERY = "discovery"
    EVERYTHING = "everything"
    BASKET = "basket"
    SESSION = "session"
