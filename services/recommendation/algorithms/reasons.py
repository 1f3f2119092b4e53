"""Builds the reason for a recommendation from the products that contributed most to its score."""

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.base import Reason, ReasonKind, Shopper
from shared.compiled import compiled

MAX_SOURCES = 3
"""Largest number of source products in a reason."""


def strongest(sources: Rows, values: FloatArray) -> tuple[int, ...]:
    """Return the sources with the largest positive values, largest first, at most `MAX_SOURCES`."""
    return tuple(sources[largest_places(values, MAX_SOURCES)].tolist())


@compiled
def largest_places(values: FloatArray, k: int) -> Longs:
    """Return the positions of the `k` largest positive values, largest first; the earlier of equal values comes first.

    Meant for a small `k`: time grows with len(values) · k in the worst case.
    """
    places = np.empty(k, np.int64)
    n = 0
    for i in range(len(values)):
        if values[i] <= 0.0 or (n == k and values[i] <= values[places[n - 1]]):
            continue
        at = min(n, k - 1)
        while at > 0 and values[places[at - 1]] < values[i]:
            places[at] = places[at - 1]
            at -= 1
        places[at] = i
        n = min(n + 1, k)
    return places[:n]


def from_sources(shopper: Shopper, sources: tuple[int, ...]) -> Reason:
    """Return the reason with the kind of its strongest source: in the cart, else bought, else viewed."""
    first = sources[0]
    if first in shopper.cart:
        return Reason(ReasonKind.BOUGHT_TOGETHER, sources)
    if first != shopper.current and first in shopper.bought:
        return Reason(ReasonKind.BECAUSE_YOU_BOUGHT, sources)
    return Reason(ReasonKind.BECAUSE_YOU_VIEWED, sources)
