"""The protocols: what is asked of whom, given what was known before and what came after.

Train and test share their rows. Products that train never saw cannot be asked for: they leave the targets. The
customers of `top-n`, `next-item` and `next-basket` are those with an event in train.
"""

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Rows
from services.recommendation.algorithms.interactions import Interactions, Kind, sorted_columns
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.histories import CustomerHistories, groups_of
from services.recommendation.holdout.pairs import Pairs, keys_of
from services.recommendation.holdout.sessions import Steps
from services.recommendation.holdout.tasks import EvalCase, Protocol

FEWEST_REBUYS = 0.01
"""Share of repeating pairs below which `next-item` assumes that customers do not buy a product again."""

NOTHING: Rows = np.empty(0, dtype=np.int32)


def eval_cases(
    protocol: Protocol,
    train: Interactions,
    test: Interactions,
    *,
    target: Kind,
    exclude_seen: bool,
    cutoff: int,
    shortest_session: int = 1,
    every_kind: bool = False,
    most: int | None = None,
    seed: int = 0,
) -> list[EvalCase]:
    """Return what `protocol` asks.

    Parameters
    ----------
    protocol : Protocol
        `TOP_N_DISCOVERY` is `TOP_N` with `exclude_seen`.
    train, test : Interactions
        What is known, and what came after; rows mean the same in both, and so do `n_customers` and `n_products`.
    target : Kind
        The kind of event that counts as an answer.
    exclude_seen : bool
        Leave out the products with which the shopper had an event of kind `target` in train, of ranking and relevance.
        Sessions know no history, so they exclude nothing.
    cutoff : int
        The moment at which all shoppers ask, in the unit of `times`.
    shortest_session : int
        Events of a session before its first question, at least 1.
    every_kind : bool
        Whether events of all kinds are answers in sessions.
    most : int or None
        Ask at most so many, drawn at random with `seed`.

    Returns
    -------
    list of EvalCase
        By customer; those of sessions by session and time. `EvalCase.customer` is the shared row even of a customer
        without an event in train.

    Raises
    ------
    ValueError
        If train and test differ in their numbers of rows.
    """
    _require_same_rows(train, test)
    if protocol is Protocol.SESSION:
        steps = Steps.of(test, None if every_kind else target, products_of(train) > 0)
        asked = _sample(np.flatnonzero(steps.places >= shortest_session), most, seed)
        return _of_sessions(steps, asked, train, cutoff)
    seen = left_out(protocol, train, target, exclude_seen=exclude_seen)
    relevant = Pairs.of(test, relevant_events(protocol, test, target)).without(seen)
    relevant = askable(relevant, train)
    histories = CustomerHistories(train, cutoff)
    return [
        EvalCase(histories.shopper(customer), relevant.of_customer(customer), seen.of_customer(customer), customer)
        for customer in _sample(relevant.customers, most, seed).tolist()
    ]


def strongest_kind(test: Interactions) -> Kind:
    """Return the strongest kind of event that there is: a purchase, else a cart, else a view."""
    return Kind(int(test.kinds.max(initial=Kind.VIEW)))


def most_frequent_kind(test: Interactions) -> Kind:
    """Return the kind of which there are most events."""
    return Kind(int(np.bincount(test.kinds, minlength=1).argmax()))


def rebuys(train: Interactions, target: Kind, *, timed: bool = True) -> float:
    """Return the share of (customer, product) pairs of kind `target` that occur in more than one basket.

    Data that is not `timed` may not know baskets: there it is the share of those that occur at more than one place in
    the order.
    """
    events = np.flatnonzero(train.kinds == target)
    pairs, moments = keys_of(train)[events], (train.baskets if timed else train.times)[events]
    pairs, moments = sorted_columns(pairs, moments)
    again = (pairs[1:] == pairs[:-1]) & (moments[1:] != moments[:-1])
    return len(np.unique(pairs[1:][again])) / max(len(np.unique(pairs)), 1)


def excludes_seen(protocol: Protocol, train: Interactions, target: Kind, *, timed: bool = True) -> bool:
    """Return whether seen products are left out by default: for discovery, and where hardly anybody buys again."""
    if protocol is Protocol.NEXT_ITEM:
        return rebuys(train, target, timed=timed) < FEWEST_REBUYS
    return protocol is Protocol.TOP_N_DISCOVERY


def left_out(protocol: Protocol, train: Interactions, target: Kind, *, exclude_seen: bool) -> Pairs:
    """Return the pairs that are neither ranked nor relevant: what the shoppers had, or nothing."""
    exclude = exclude_seen or protocol is Protocol.TOP_N_DISCOVERY
    return Pairs.of(train, train.kinds == target if exclude else slice(0))


def products_of(data: Interactions) -> Longs:
    """Return the number of events of each product, shape (n_products,); 0 where the data never saw it."""
    return np.bincount(data.products, minlength=data.n_products)


def customers_of(data: Interactions) -> Longs:
    """Return the number of events of each customer, shape (n_customers,); 0 where the data never saw them."""
    return np.bincount(data.customers, minlength=data.n_customers)


def relevant_events(protocol: Protocol, test: Interactions, target: Kind) -> Longs:
    """Return the numbers of the test events that count as answers, in other protocols than `SESSION`."""
    events: Longs = np.flatnonzero(test.kinds == target)
    if protocol in (Protocol.TOP_N, Protocol.TOP_N_DISCOVERY):
        return events
    events = events[np.lexsort((test.times[events], test.customers[events]))]
    _, position, own = np.unique(test.customers[events], return_index=True, return_inverse=True)
    answers = events[position]
    if protocol is Protocol.NEXT_BASKET:
        answers = events[test.baskets[events] == test.baskets[answers][own]]
    return answers


def askable(relevant: Pairs, train: Interactions) -> Pairs:
    """Return the pairs whose customer and whose product train knows."""
    known = products_of(train)[relevant.products] > 0
    known &= customers_of(train)[relevant.keys // max(train.n_products, 1)] > 0
    return relevant.where(known)


def _of_sessions(steps: Steps, asked: Longs, train: Interactions, cutoff: int) -> list[EvalCase]:
    return [
        EvalCase(
            Shopper(now=cutoff, session=steps.before(step), groups=groups_of(train, int(steps.customers[step]))),
            steps.target(step),
            NOTHING,
            int(steps.customers[step]),
        )
        for step in asked.tolist()
    ]


def _sample(numbers: Longs | Rows, most: int | None, seed: int) -> Longs:
    if most is None or len(numbers) <= most:
        return numbers.astype(np.int64)
    return np.sort(np.random.default_rng(seed).choice(numbers, most, replace=False)).astype(np.int64)


def _require_same_rows(train: Interactions, test: Interactions) -> None:
    for name in ("n_customers", "n_products"):
        if getattr(train, name) != getattr(test, name):
            raise ValueError(f"test.{name}: must be that of train, {getattr(train, name)}, got {getattr(test, name)}")
