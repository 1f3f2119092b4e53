"""One session: the start page, the shopper's own shopping, the first product's page, the cart, the order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from benchmarks.simulation.needs import Sessions
from benchmarks.simulation.preferences import Preferences
from benchmarks.simulation.response import Draws, Expected, Need, Outcome, Page, Response, State, respond, settle
from benchmarks.simulation.source import Ints
from benchmarks.simulation.world import World

MOOD, REFUND = 10, 11
"""Streams of chance of a session, beside those of its pages."""


@dataclass(frozen=True)
class Visit:
    """What is known of a session before it begins.

    `own` are the categories and products that the household buys by itself, in the order in which it looks for them.
    """

    number: int
    household: int
    day: int
    second: int
    own: tuple[tuple[int, int], ...]
    forgotten: tuple[int, ...]


@dataclass
class Result:
    """What came of a session: `lists` by page, lines bought by the household itself, and through recommendations."""

    visit: Visit
    lists: list[tuple[Page, Response]] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    recommended: list[int] = field(default_factory=list)
    refunded: list[int] = field(default_factory=list)
    """Products of the order that are given back some days later."""
    revenue: int = 0
    """Cents of the order, refunds taken off."""
    expected_revenue: float = 0.0
    """The same on average over all draws of the lists and of refunds, given what the lists before had brought."""

    @property
    def order(self) -> list[int]:
        """Products of the order."""
        return self.own + self.recommended


class Front(Protocol):
    """The shop's pages as the simulation sees them: agents over gRPC, or a policy in this process."""

    def recommend(self, visit: Visit, page: Page, product: int | None, cart: Sequence[int]) -> list[int]:
        """Return the products of a page's list, best first; `product` is the one in view."""
        ...

    def responded(self, visit: Visit, page: Page, response: Response) -> None:
        """Take note of what came of the list that was shown last."""
        ...

    def looked(self, visit: Visit, category: int, product: int) -> None:
        """Take note of a product that the household looked for by itself."""
        ...

    def took(self, visit: Visit, product: int) -> None:
        """Take note that the household put the product that it looked at into the cart."""
        ...

    def ordered(self, result: Result) -> None:
        """Take note of the end of the session."""
        ...


class Diary:
    """The sessions of a run in their order, with all that is decided before any recommendation."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.seed = seed
        self.sessions: Sessions = world.plan(seed)
        self.after_drift: Preferences = world.drifted(seed)
        self._chosen = self._choices()

    def preferences(self, day: int) -> Preferences:
        """Return the preferences that hold on a day."""
        return self.world.preferences if day < self.world.drift_day else self.after_drift

    def visits(self, day: int) -> Iterator[Visit]:
        """Yield the sessions of a day by time."""
        first, last = np.searchsorted(self.sessions.days, (day, day + 1))
        for number in range(int(first), int(last)):
            yield self._visit(number)

    def _choices(self) -> Ints:
        """Return the product of each need, under the preferences of its day."""
        days = self.sessions.days[self.sessions.need_sessions]
        before = self.world.chosen(self.world.preferences, self.sessions, self.seed)
        after = self.world.chosen(self.after_drift, self.sessions, self.seed)
        return np.where(days < self.world.drift_day, before, after)

    def _visit(self, number: int) -> Visit:
        first, last = np.searchsorted(self.sessions.need_sessions, (number, number + 1))
        categories, remembered = self.sessions.needs_of(number)
        pairs = list(zip(categories.tolist(), self._chosen[first:last].tolist(), strict=True))
        own = [pair for pair, known in zip(pairs, remembered.tolist(), strict=True) if known]
        return Visit(
            number,
            int(self.sessions.households[number]),
            int(self.sessions.days[number]),
            int(self.sessions.seconds[number]),
            tuple(own),
            tuple(categories[~remembered].tolist()),
        )


class Shopper:
    """Plays sessions of a diary in front of a shop. The draws of a session depend on nothing that another one shows."""

    def __init__(self, diary: Diary, front: Front) -> None:
        self._diary = diary
        self._front = front
        self._world = diary.world

    def play(self, visit: Visit) -> Result:
        """Play a session to its end."""
        state, result = self._begin(visit), Result(visit)
        self._show(result, state, Page.HOME, None)
        viewed: int | None = None
        for category, product in visit.own:
            if category not in state.planned:  # a recommendation took its place
                continue
            self._front.looked(visit, category, product)
            if viewed is None:
                viewed = product
                self._show(result, state, Page.PRODUCT, product)
            if category in state.planned:
                self._take(result, state, category, product)
        if state.cart:
            self._show(result, state, Page.CART, None)
        self._check_out(result)
        return result

    def _begin(self, visit: Visit) -> State:
        needs = np.zeros(len(self._world.observed.category_names), np.int64)
        needs[list(visit.forgotten)] = Need.FORGOTTEN
        needs[[category for category, _ in visit.own]] = Need.WANTED
        mood = self._chance(visit, MOOD).normal(0.0, self._world.behaviour.session_noise)
        return State(visit.household, visit.day, needs, dict(visit.own), [], float(mood))

    def _show(self, result: Result, state: State, page: Page, product: int | None) -> None:
        visit = result.visit
        listed = self._front.recommend(visit, page, product, state.cart)
        draws = Draws.of(self._world.products, (self._diary.seed, visit.number, page))
        response = respond(self._world, self._diary.preferences(visit.day), state, page, listed, draws)
        self._front.responded(visit, page, response)
        settle(self._world, state, response.outcomes)
        result.recommended += [each.product for each in response.outcomes if each.purchased]
        result.lists.append((page, response))

    def _take(self, result: Result, state: State, category: int, product: int) -> None:
        self._front.took(result.visit, product)
        result.own.append(product)
        state.cart.append(product)
        state.needs[category] = Need.SATISFIED
        state.planned.pop(category)

    def _check_out(self, result: Result) -> None:
        visit, behaviour = result.visit, self._world.behaviour
        prices = self._world.prices(visit.day)
        chance = self._chance(visit, REFUND).random(self._world.products)
        result.refunded = [product for product in result.order if chance[product] < behaviour.refund_share]
        result.revenue = int(sum(prices[product] for product in result.order))
        result.revenue -= int(sum(prices[product] for product in result.refunded))
        planned = sum(int(prices[product]) for _, product in visit.own) * (1.0 - behaviour.refund_share)
        result.expected_revenue = planned + sum(response.expected.gain for _, response in result.lists)
        self._front.ordered(result)

    def _chance(self, visit: Visit, stream: int) -> np.random.Generator:
        return np.random.default_rng([self._diary.seed, visit.number, stream])


def expected_sum(results: Sequence[Result]) -> Expected:
    """Return what all lists of some sessions bring on average."""
    found = [response.expected for result in results for _, response in result.lists]
    return Expected(*(float(sum(each)) for each in zip(*found, strict=True))) if found else Expected(0, 0, 0, 0)


def clicks_of(results: Sequence[Result]) -> list[Outcome]:
    """Return all clicks of some sessions."""
    return [each for result in results for _, response in result.lists for each in response.outcomes]
