"""What is asked in each context, of what a shop's customers did in the last tenth of its time."""

from dataclasses import dataclass, replace

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask, Rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.histories import FIELDS, groups_of
from services.recommendation.holdout.pairs import Pairs
from services.recommendation.holdout.protocols import customers_of, products_of, strongest_kind
from services.recommendation.holdout.sessions import Steps
from services.recommendation.holdout.splits import Split, latest_span
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker.contexts import LONGEST_HISTORY, NOTHING, RerankContext
from shared.grouped_order import time_order

VISIT_SECONDS = 1_800
"""A longer pause ends a visit, as it does in the statistics of web shops."""


@dataclass(frozen=True, eq=False)
class EvalRound:
    """Shoppers, and what is asked of each of them in one or more contexts.

    Parameters
    ----------
    target : Kind
        The kind of event that counts as an answer.
    asked : dict of RerankContext to list of EvalCase
        Of the same shoppers in the same order. Each context excludes at least what the one before it excludes. A
        question may be without targets.
    """

    target: Kind
    asked: dict[RerankContext, list[EvalCase]]

    def __len__(self) -> int:
        return len(next(iter(self.asked.values()), []))

    @property
    def customers(self) -> list[int]:
        """The customer of each question."""
        return [question.customer for question in next(iter(self.asked.values()), [])]

    def shoppers(self, start: int, stop: int) -> list[Shopper]:
        """Return some of the shoppers."""
        return [question.shopper for question in next(iter(self.asked.values()))[start:stop]]


class HeldOutPeriod:
    """What a shop's customers did in the last tenth of its time, or after another split, and what was known before.

    Parameters
    ----------
    data : Interactions
        All events; at least one.
    seed : int
        Of the choice of what is asked.
    split : Split, optional
        What is known and what is held out; by default that of the last tenth of the time.
    """

    def __init__(self, data: Interactions, seed: int = 0, split: Split | None = None) -> None:
        split = split or latest_span(data)
        self.known = replace(data.where(split.known), now=split.now)
        self._held = data.where(split.held)
        self.pasts = PastShoppers(data)
        """What the customers did before any moment, in the period too."""
        self.there: Mask = (products_of(self.known) > 0) | (data.added <= split.now)
        """Products that could be recommended at the split, shape (n_products,); nothing else is asked for."""
        self._seed = seed

    def of_customers(self, most: int) -> EvalRound:
        """Return what customers obtained, newly and at all, asked at the moment of the split.

        Of customers who did something before it, at most `most`.
        """
        target = strongest_kind(self.known)
        events = (self._held.kinds == target) & self.there[self._held.products]
        events &= customers_of(self.known)[self._held.customers] > 0
        chosen = self._some(np.unique(self._held.customers[events]), most)
        answers = Pairs.of(self._held, events & np.isin(self._held.customers, chosen))
        seen = Pairs.of(self.known, (self.known.kinds == target) & np.isin(self.known.customers, chosen))
        everything, discovery = [], []
        for customer in chosen.tolist():
            shopper = self.pasts.shopper(customer, self.known.now)
            obtained, before = answers.of_customer(customer), seen.of_customer(customer)
            everything.append(EvalCase(shopper, obtained, NOTHING, customer))
            discovery.append(EvalCase(shopper, _without(obtained, before), before, customer))
        return EvalRound(target, {RerankContext.EVERYTHING: everything, RerankContext.DISCOVERY: discovery})

    def of_baskets(self, most: int) -> EvalRound:
        """Return what else, never bought before, is in baskets of which a random part is known. At most `most`."""
        held = np.flatnonzero((self._held.kinds == Kind.PURCHASE) & self.there[self._held.products])
        order = held[np.argsort(self._held.baskets[held], kind="stable")]
        numbers, starts = np.unique(self._held.baskets[order], return_index=True)
        baskets = np.split(order, starts[1:]) if len(numbers) else []
        several = np.array([place for place, events in enumerate(baskets) if len(events) > 1], np.int64)
        rng = np.random.default_rng(self._seed)
        asked = [self._basket(baskets[place], rng) for place in self._some(several, most).tolist()]
        return EvalRound(
            Kind.PURCHASE, {RerankContext.BASKET: [question for question in asked if len(question.targets)]}
        )

    def of_sessions(self, most: int) -> EvalRound:
        """Return which product is looked at next in sessions, with the customer's history. At most `most`."""
        steps = Steps.of(self._held, Kind.VIEW, self.there)
        chosen = self._some(np.flatnonzero(steps.ends > steps.starts), most)
        asked = [self._step(steps, step) for step in chosen.tolist()]
        return EvalRound(Kind.VIEW, {RerankContext.SESSION: [question for question in asked if len(question.targets)]})

    def _basket(self, events: Longs, rng: np.random.Generator) -> EvalCase:
        products = rng.permutation(np.unique(self._held.products[events]))
        customer, moment = int(self._held.customers[events[0]]), int(self._held.times[events].min())
        cart = products[: int(rng.integers(1, max(len(products), 2)))]
        to_come = _without(np.sort(products), cart)
        shopper = self.pasts.shopper(customer, moment, cart=cart, to_come=to_come)
        excluded = np.union1d(shopper.bought, cart)
        return EvalCase(shopper, _without(np.sort(products), excluded), excluded, customer)

    def _step(self, steps: Steps, step: int) -> EvalCase:
        customer, session = int(steps.customers[step]), steps.before(step)
        shopper = self.pasts.shopper(customer, int(steps.times[step]), session=session, current=int(session[-1]))
        excluded = np.union1d(shopper.bought, session[-1:])
        return EvalCase(shopper, _without(steps.target(step), excluded), excluded, customer)

    def _some(self, numbers: Longs | Rows, most: int) -> Longs:
        """Return at most `most` of the numbers, in random order."""
        return np.random.default_rng(self._seed).permutation(numbers)[:most].astype(np.int64)


class PastShoppers:
    """What every customer did before any moment."""

    def __init__(self, data: Interactions) -> None:
        order = time_order(data.customers, data.times)
        self._data = data
        self._order = order
        self._bounds = np.searchsorted(data.customers[order], np.arange(data.n_customers + 1))

    def shopper(
        self,
        customer: int,
        moment: int,
        session: Rows = NOTHING,
        current: int | None = None,
        cart: Rows = NOTHING,
        to_come: Rows = NOTHING,
    ) -> Shopper:
        """Return a customer at a moment, with their latest events before it.

        Products `to_come` are put into the cart in this visit, but later: what was done with them in it is left out.
        """
        events = self._order[self._bounds[customer] : self._bounds[customer + 1]]
        before = events[: np.searchsorted(self._data.times[events], moment)]
        if len(to_come):
            before = before[~self._in_visit(before, moment, to_come)]
        before = before[-LONGEST_HISTORY:]
        history = {name: getattr(self._data, name)[before] for name in FIELDS}
        groups = groups_of(self._data, customer)
        return Shopper(now=moment, session=session, current=current, cart=cart, groups=groups, **history)

    def _in_visit(self, events: Longs, moment: int, products: Rows) -> Mask:
        """Return which of a customer's events before a moment concern the products in the visit that goes on then."""
        times = np.append(self._data.times[events], moment)
        pauses = np.flatnonzero(np.diff(times) > VISIT_SECONDS)
        found = np.isin(self._data.products[events], products)
        found[: pauses[-1] + 1 if len(pauses) else 0] = False
        return np.asarray(found)


def _without(rows: Rows, excluded: Rows) -> Rows:
    return np.setdiff1d(rows, excluded).astype(np.int32)
