"""What a household does with a list of recommendations, and what it would do on average."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from benchmarks.simulation.preferences import Preferences
from benchmarks.simulation.source import Floats, Ints
from benchmarks.simulation.world import World

MOST_COMPLEMENT = 2.0
MOST_PLACES = 100


class Page(IntEnum):
    """Pages with recommendations."""

    HOME = 0
    PRODUCT = 1
    CART = 2


class Need(IntEnum):
    """How a household stands to a category in a session."""

    NONE = 0
    FORGOTTEN = 1
    """It is needed, and the household does not think of it."""
    WANTED = 2
    """It is needed, and will be bought in any case."""
    SATISFIED = 3
    """It is in the cart."""


@dataclass
class State:
    """Where a session stands when a list is shown.

    Attributes
    ----------
    needs : ndarray of shape (categories,), int
        A value of `Need` by category.
    planned : dict
        Product that the household would buy by itself, by category that is wanted.
    cart : list of int
        Products in the cart.
    mood : float
        Logit that the session adds to all clicks.
    """

    household: int
    day: int
    needs: Ints
    planned: dict[int, int] = field(default_factory=dict)
    cart: list[int] = field(default_factory=list)
    mood: float = 0.0


@dataclass(frozen=True)
class Draws:
    """Chance of one list: uniform numbers by place and by product, so that two lists of one session share them."""

    seen: float
    places: Floats
    clicks: Floats
    carts: Floats
    purchases: Floats
    leaves: Floats
    dwells: Floats

    @classmethod
    def of(cls, products: int, key: Sequence[int]) -> "Draws":
        """Return the draws of a list that a key such as (seed, session, page) names."""
        return cls.from_generator(products, np.random.default_rng(list(key)))

    @classmethod
    def from_generator(cls, products: int, rng: np.random.Generator) -> "Draws":
        """Return the next draws of a generator."""
        clicks, carts, purchases, leaves = rng.random((4, products))
        dwells = rng.normal(size=products)
        return cls(rng.random(), rng.random(MOST_PLACES), clicks, carts, purchases, leaves, dwells)


class Outcome(NamedTuple):
    """What came of a product that was clicked: `place` from 0; `purchased` only where `carted`."""

    place: int
    product: int
    carted: bool
    purchased: bool
    dwell_seconds: float


class Expected(NamedTuple):
    """What a list brings on average, before any of its draws; `gain` in cents, without what it only replaces."""

    shown: float
    clicks: float
    purchases: float
    gain: float


@dataclass(frozen=True)
class Response:
    """What came of a list.

    Attributes
    ----------
    seen : bool
        Whether it was looked at; `shown` products were then in view.
    expected : Expected
        What such a list brings on average.
    gain : int
        What it brought, in cents.
    """

    seen: bool
    shown: int
    outcomes: tuple[Outcome, ...]
    expected: Expected
    gain: int


@dataclass(frozen=True)
class Chances:
    """Chances of each place of a list that is shown, each an ndarray of shape (places,)."""

    examined: Floats
    clicked: Floats
    carted: Floats
    left_at_once: Floats

    def purchased(self, purchase_share: float) -> Floats:
        """Return the chance that a place of a list that is looked at ends in a purchase."""
        return np.asarray(self.examined * self.clicked * self.carted * purchase_share)


def examination(places: int, exponent: float) -> Floats:
    """Return the chance that each place of a list that is looked at is examined; the first always is."""
    return np.asarray((1.0 + np.arange(places)) ** -exponent)


def chances(world: World, preferences: Preferences, state: State, products: Ints) -> Chances:
    """Return the chances of the products of a list in a session."""
    behaviour = world.behaviour
    categories = world.observed.categories[products]
    appeal = _appeal(world, preferences, state, products, categories)
    shift = _shift(world, preferences, state, categories)
    carted = expit(logit(behaviour.cart_base) + behaviour.cart_taste * appeal + shift)
    surplus = logit(carted) - logit(behaviour.cart_base)
    return Chances(
        examination(len(products), behaviour.position_exponent),
        expit(logit(behaviour.click_base) + behaviour.click_taste * appeal + shift + state.mood),
        carted,
        expit(logit(behaviour.quick_return_share) - 0.5 * surplus),
    )


def respond(
    world: World, preferences: Preferences, state: State, page: Page, products: Sequence[int], draws: Draws
) -> Response:
    """Show a list, best first, to a household, draw what it does, and say what it does on average.

    Nothing is changed; `settle` takes what was bought into the state.
    """
    listed = np.asarray(products, np.int64)
    found = chances(world, preferences, state, listed)
    expected = _expected(world, state, page, listed, found)
    if draws.seen >= world.behaviour.seen_share[page]:
        return Response(False, 0, (), expected, 0)
    clicked = (draws.places[: len(listed)] < found.examined) & (draws.clicks[listed] < found.clicked)
    outcomes = tuple(_outcome(world, listed, found, draws, place) for place in np.flatnonzero(clicked).tolist())
    return Response(True, len(listed), outcomes, expected, _gain(world, state, outcomes))


def settle(world: World, state: State, outcomes: Sequence[Outcome]) -> None:
    """Put what was bought through a list into the cart; its category is satisfied then, planned or not."""
    for each in outcomes:
        if each.purchased:
            state.cart.append(each.product)
            category = int(world.observed.categories[each.product])
            state.needs[category] = Need.SATISFIED
            state.planned.pop(category, None)


def _appeal(
    world: World, preferences: Preferences, state: State, products: Ints, categories: Ints
) -> NDArray[np.float64]:
    """Return by how much the household would buy each product more often than an average pair, as a logarithm."""
    rates = np.log(preferences.need_rates[state.household, categories])
    priced = preferences.sensitivities[state.household] * world.price_utilities(state.day)[products]
    return np.asarray(rates + preferences.taste[state.household, products] + priced - world.mean_affinity)


def _shift(world: World, preferences: Preferences, state: State, categories: Ints) -> Floats:
    """Return what the session adds in logits: needs, and what goes with the cart."""
    behaviour = world.behaviour
    by_need = np.array([0.0, behaviour.needed_logit, behaviour.wanted_logit, behaviour.satisfied_logit])
    shift = by_need[state.needs[categories]]
    if state.cart:
        in_cart = np.unique(world.observed.categories[state.cart])
        lift = preferences.complements[np.ix_(in_cart, categories)].max(axis=0)
        shift = shift + behaviour.complement_logit * np.clip(lift, 0.0, MOST_COMPLEMENT)
    return np.asarray(shift)


def _expected(world: World, state: State, page: Page, products: Ints, found: Chances) -> Expected:
    behaviour = world.behaviour
    seen = behaviour.seen_share[page]
    bought = found.purchased(behaviour.purchase_share)
    prices = world.prices(state.day)
    gain = float(bought @ prices[products])
    categories = world.observed.categories[products]
    for category, planned in state.planned.items():
        replaced = 1.0 - np.prod(1.0 - bought[categories == category])
        gain -= float(replaced * prices[planned])
    kept = 1.0 - behaviour.refund_share
    return Expected(
        seen * len(products),
        seen * float((found.examined * found.clicked).sum()),
        seen * float(bought.sum()),
        seen * gain * kept,
    )


def _outcome(world: World, products: Ints, found: Chances, draws: Draws, place: int) -> Outcome:
    behaviour, product = world.behaviour, int(products[place])
    carted = bool(draws.carts[product] < found.carted[place])
    purchased = carted and bool(draws.purchases[product] < behaviour.purchase_share)
    at_once = not carted and bool(draws.leaves[product] < found.left_at_once[place])
    median = behaviour.quick_return_seconds if at_once else behaviour.dwell_seconds
    dwell = median * float(np.exp(behaviour.dwell_spread * draws.dwells[product]))
    return Outcome(place, product, carted, purchased, round(dwell, 1))


def _gain(world: World, state: State, outcomes: Sequence[Outcome]) -> int:
    """Return what the purchases bring in cents, refunds aside, less what they take the place of."""
    prices = world.prices(state.day)
    bought = [each.product for each in outcomes if each.purchased]
    replaced = {int(world.observed.categories[product]) for product in bought} & set(state.planned)
    return sum(int(prices[product]) for product in bought) - sum(
        int(prices[state.planned[category]]) for category in replaced
    )
