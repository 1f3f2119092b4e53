"""Made-up histories for the tests of the customer agent."""

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from services.customer.clock import DAY
from services.customer.events import Events, Kind
from services.customer.interests import Labels

NOW = 1_700_000_000
N_CATEGORIES = 5
CATEGORIES = Labels(np.arange(N_CATEGORIES, dtype=np.int32), ["bread", "milk", "fruit", "wine", "soap"])


def purchases(
    days_ago: Sequence[float], products: Sequence[int], amounts: Sequence[int] | int = 100, quantities: float = 1.0
) -> Events:
    """Return one basket a day, each with one line."""
    times = [NOW - round(days * DAY) for days in days_ago]
    return Events.of(times, products, np.full(len(times), Kind.PURCHASE), quantities, amounts, np.arange(len(times)))


@st.composite
def events(draw: st.DrawFn, max_size: int = 30) -> Events:
    """Any events of one customer, some of products nobody knows."""
    line = st.tuples(
        st.integers(0, NOW),
        st.integers(-1, N_CATEGORIES + 1),
        st.sampled_from(list(Kind)),
        st.floats(0.5, 20),
        st.integers(0, 10**6),
        st.integers(0, 5),
        st.floats(0, 600),
    )
    lines = draw(st.lists(line, max_size=max_size))
    return Events.of(*zip(*lines, strict=True)) if lines else Events.of([], [], [])


def joined(parts: Sequence[Events]) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.int32]], Events]:
    """Return the events of many customers in one, shuffled, with the row of each one's customer."""
    names = ("times", "products", "kinds", "quantities", "amounts", "baskets", "dwell_seconds")
    customers = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    columns["baskets"] = columns["baskets"] + 1000 * customers
    order = np.random.default_rng(0).permutation(len(customers))
    return customers[order], Events(**columns).select(order)
