"""How the products behind a score become a reason."""

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Rows
from services.recommendation.algorithms.base import Reason, ReasonKind, Shopper

MAX_SOURCES = 3
"""Source products named in a reason."""


def strongest(sources: Rows, values: FloatArray) -> tuple[int, ...]:
    """Return the sources of the largest positive values, largest first, at most `MAX_SOURCES`."""
    order = np.argsort(-values, kind="stable")[:MAX_SOURCES]
    return tuple(int(sources[i]) for i in order if values[i] > 0)


def from_sources(shopper: Shopper, sources: tuple[int, ...]) -> Reason:
    """Return the reason that the strongest source stands for: in the cart, bought, or else viewed."""
    first = sources[0]
    if first in shopper.cart:
        return Reason(ReasonKind.BOUGHT_TOGETHER, sources)
    if first != shopper.current and first in shopper.bought:
        return Reason(ReasonKind.BECAUSE_YOU_BOUGHT, sources)
    return Reason(ReasonKind.BECAUSE_YOU_VIEWED, sources)
