"""The households of the simulated shop, as a shop whose variants' true values are known.

What households would do with the list of each variant is drawn once for many sessions. A log samples households with
their sessions, a variant for each by the logging policy, and what came of it; what was drawn for all variants says what
a list truly earns under any policy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.learning.off_policy_shop import (
    ActionSample,
    Floats,
    Policies,
    drawn_actions,
    evaluated_policies,
    exploring,
)
from benchmarks.simulation.instant import Shoppers
from benchmarks.simulation.knowing import bought_in_history, history_lines
from benchmarks.simulation.response import State
from benchmarks.simulation.source import Ints
from benchmarks.simulation.world import World
from services.recommendation.off_policy.log import ActionLog

CUSTOMERS = 3_000
MEAN_LISTS = 4.0
PRIOR = 10.0
"""Lines of purchases that what all households buy counts as, in a household's rates by category."""
FLOOR = 0.05
"""Of the logging policy's probability, what all variants share equally."""
SEED = 30
PREFIX = "simulated_"
"""How the names of the policies begin."""
Variant = Callable[["Known", State, np.random.Generator], Floats]


@dataclass(frozen=True)
class Known:
    """What a shop knows of its history: lines by product and by household and category, and who bought what."""

    world: World
    sold: Floats
    lines: Floats
    bought: np.ndarray[tuple[int, int], np.dtype[np.bool_]]

    @classmethod
    def of(cls, world: World) -> "Known":
        """Read the history of a world."""
        households, chosen = history_lines(world)
        categories = world.observed.categories
        lines = np.zeros((world.households, len(world.observed.category_names)))
        np.add.at(lines, (households, categories[chosen]), 1.0)
        sold = np.asarray(np.bincount(chosen, minlength=world.products) + 0.5, np.float64)
        return cls(world, sold, lines, bought_in_history(world, households, chosen))

    @cached_property
    def sold_of_category(self) -> Floats:
        """Lines of each category."""
        return np.asarray(np.bincount(self.world.observed.categories, self.sold), np.float64)

    def rates(self, state: State) -> Floats:
        """Return the estimated rate at which the household of a session buys each product."""
        categories = self.world.observed.categories
        of_category = self.sold_of_category
        own = self.lines[state.household]
        shrunk = (own + PRIOR * of_category / of_category.sum()) / (own.sum() + PRIOR)
        return np.asarray(shrunk[categories] * self.sold / of_category[categories])

    def list_by(self, values: Floats, state: State) -> list[int]:
        """Return the products with the largest values that the household did not buy before."""
        hidden = self.bought[state.household] | ~self.world.available(state.day)
        order = np.argsort(-np.where(hidden, -np.inf, values), kind="stable")
        return [int(row) for row in order[: self.world.sizes.home_count]]


VARIANTS: Mapping[str, Variant] = {
    "popular": lambda known, state, rng: known.sold,
    "popular_by_revenue": lambda known, state, rng: known.sold * known.world.prices(state.day),
    "categories": lambda known, state, rng: known.rates(state),
    "categories_by_revenue": lambda known, state, rng: known.rates(state) * known.world.prices(state.day),
    "categories_by_price": lambda known, state, rng: known.rates(state) * known.world.prices(state.day) ** 2.0,
    "random": lambda known, state, rng: rng.random(known.world.products),
}
"""By what each variant orders products."""


@dataclass(frozen=True)
class SimulatedShop:
    """Households with their sessions, and what the list of each variant earns in each session.

    Parameters
    ----------
    starts : ndarray of shape (n_customers + 1,), int64
        First session of each customer, and the number of sessions.
    features : ndarray of shape (n_sessions, 4), float64
        What was known before the choice: of the household and of the day, about from -1 to 1.
    earned : ndarray of shape (n_sessions, n_variants), float64
        Cents that the list of each variant brings, as drawn.
    """

    starts: Ints
    features: Floats
    earned: Floats

    @classmethod
    def of(cls, world: World, customers: int = CUSTOMERS, seed: int = SEED) -> "SimulatedShop":
        """Draw the sessions of some customers in the days before the drift, and what comes of each variant's list."""
        rng, known, shoppers = np.random.default_rng(seed), Known.of(world), Shoppers(world)
        counts = rng.geometric(1.0 / MEAN_LISTS, customers)
        rates = world.preferences.visit_rates
        households = np.repeat(rng.choice(world.households, customers, p=rates / rates.sum()), counts)
        days = rng.integers(world.sizes.history_days, world.drift_day, len(households))
        earned = np.zeros((len(households), len(VARIANTS)))
        for row, (household, day) in enumerate(zip(households.tolist(), days.tolist(), strict=True)):
            state = shoppers.session(household, day, rng)
            for place, variant in enumerate(VARIANTS.values()):
                listed = known.list_by(variant(known, state, rng), state)
                earned[row, place] = shoppers.respond(state, listed, rng).gain
        return cls(np.append(0, counts.cumsum()), _features(known, households, days), earned)

    def sample_log(self, rng: np.random.Generator, n: int) -> ActionSample:
        """Return the decisions of `n` customers, drawn with replacement."""
        drawn = rng.integers(0, len(self.starts) - 1, n)
        counts = np.diff(self.starts)[drawn]
        units = np.repeat(np.arange(n), counts)
        within = np.arange(len(units)) - np.repeat(counts.cumsum() - counts, counts)
        rows = np.repeat(self.starts[drawn], counts) + within
        policies = {name: shares[rows] for name, shares in self._policies.items()}
        logging = policies[f"{PREFIX}logging"]
        actions = drawn_actions(rng, logging)
        places = np.arange(len(rows))
        log = ActionLog(actions, logging[places, actions], self.earned[rows, actions], units, logging)
        return ActionSample(log, self.features[rows], policies)

    def true_value(self, policy: str) -> float:
        """Return what a list earns on average under the named policy, over all sessions."""
        return float((self._policies[policy] * self.earned).sum(axis=1).mean())

    @cached_property
    def _policies(self) -> Policies:
        """Return each policy's probability of each variant, each of shape (n_sessions, n_variants)."""
        k = len(VARIANTS)
        tables = np.random.default_rng(SEED + 1).normal(0.0, 0.7, (2, self.features.shape[1], k))
        logging = exploring(self.features @ tables[0], FLOOR)
        found = evaluated_policies(logging, self.features @ tables[1], list(VARIANTS).index("categories_by_revenue"))
        return {f"{PREFIX}{name}": shares for name, shares in found.items()}


def _features(known: Known, households: Ints, days: Ints) -> Floats:
    lines = np.log1p(known.lines[households].sum(axis=1))
    kinds = np.log1p((known.lines[households] > 0).sum(axis=1))
    weekend = (days % 7 >= 5).astype(np.float64)
    return np.column_stack([np.ones(len(days)), _standardised(lines), _standardised(kinds), weekend])


def _standardised(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / max(float(values.std()), 1e-9))
