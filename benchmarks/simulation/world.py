"""The hidden world: households, products, prices by week, what changes when, and how a household finds a product."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulation.behaviour import Behaviour, Sizes
from benchmarks.simulation.needs import Sessions, calibrated, draw_sessions
from benchmarks.simulation.preferences import Preferences, fit
from benchmarks.simulation.source import WEEKDAYS, WEEKS, Floats, Ints, Observed, observe

WORLD_SEED = 2017
"""Of what all runs share: who the households are, who and what is new when."""
DRIFT, PLAN, CHOICE, HISTORY = 1, 2, 3, 4
"""Streams of chance beside each other."""


@dataclass(frozen=True)
class World:
    """Everything that is true of the simulated shop. Days count from the start of the history, a Monday.

    Attributes
    ----------
    observed : Observed
        The catalogue and its prices; its households are not those of the shop.
    preferences : Preferences
        Of the shop's households, before the drift.
    entry_days : ndarray of shape (products,), int
        Day on which a product enters the assortment; 0 for most.
    registration_days : ndarray of shape (households,), int
        Day on which a household registers and begins to come; 0 for most.
    """

    observed: Observed
    preferences: Preferences
    behaviour: Behaviour
    sizes: Sizes
    entry_days: Ints
    registration_days: Ints

    @property
    def households(self) -> int:
        """Number of households."""
        return len(self.preferences.visit_rates)

    @property
    def products(self) -> int:
        """Number of products."""
        return self.observed.products

    @property
    def drift_day(self) -> int:
        """Day on whose morning tastes change."""
        return self.sizes.history_days + self.sizes.drift_day

    @property
    def last_day(self) -> int:
        """Day after the last one."""
        return self.sizes.history_days + self.sizes.days

    @cached_property
    def members(self) -> Ints:
        """Products of each category, shape (categories, most), filled up with -1."""
        categories = self.observed.categories
        count = len(self.observed.category_names)
        most = int(np.bincount(categories, minlength=count).max())
        found = np.full((count, most), -1, np.int64)
        for category in range(count):
            own = np.flatnonzero(categories == category)
            found[category, : len(own)] = own
        return found

    @cached_property
    def mean_affinity(self) -> float:
        """Mean over all households and products of the logarithm of the rate at which one would buy the other."""
        rates = np.log(self.preferences.need_rates)[:, self.observed.categories]
        return float((rates + self.preferences.taste).mean())

    def week(self, day: int) -> int:
        """Return the week of the data whose prices hold on a day."""
        return day // WEEKDAYS % WEEKS

    def prices(self, day: int) -> Ints:
        """Return what a unit of each product costs on a day, in cents; shape (products,)."""
        relative = self.observed.relative_prices[:, self.week(day)]
        return np.maximum(np.round(100 * self.observed.prices * relative), 1).astype(np.int64)

    @cached_property
    def costs(self) -> Ints:
        """What a unit of each product costs the shop, in cents; shape (products,)."""
        departments = len(self.observed.department_names)
        share = self.behaviour.cost_share * (0.9 + 0.2 * np.arange(departments) / max(1, departments - 1))
        of_product = share[self.observed.departments[self.observed.categories]]
        return np.maximum(np.round(100 * self.observed.prices * of_product), 1).astype(np.int64)

    def price_utilities(self, day: int) -> Floats:
        """Return what price and promotion of a day add to the utility of each product for the average household."""
        department = self.observed.departments[self.observed.categories]
        week = self.week(day)
        price = self.preferences.elasticities[department] * np.log(self.observed.relative_prices[:, week])
        promoted = self.preferences.promotions[department] * self.observed.promoted[:, week]
        return np.asarray(price + promoted)

    def available(self, day: int) -> NDArray[np.bool_]:
        """Return which products are in the assortment on a day."""
        return self.entry_days <= day

    def drifted(self, seed: int) -> Preferences:
        """Return the preferences after the drift: a share of the households takes over those of another one.

        How often a household comes stays its own, and so does how much it needs in all. The demand for each department
        changes for everybody.
        """
        rng = np.random.default_rng([WORLD_SEED, DRIFT, seed])
        before, behaviour = self.preferences, self.behaviour
        moved = rng.permutation(self.households)[: round(behaviour.drift_share * self.households)]
        source = np.arange(self.households)
        source[moved] = np.roll(moved, 1)
        after = before.of(source)
        volume = before.need_rates.sum(axis=1, keepdims=True) / after.need_rates.sum(axis=1, keepdims=True)
        departments = len(self.observed.department_names)
        demand = np.exp(rng.normal(0.0, behaviour.drift_popularity, departments))
        rates = after.need_rates * volume * demand[self.observed.departments]
        rates *= before.need_rates.sum() / rates.sum()
        return replace(after, visit_rates=before.visit_rates, need_rates=rates)

    def history(self) -> Sessions:
        """Return the sessions of the days before recommendations, the same for all runs."""
        return self._draw([(0, self.preferences)], self.sizes.history_days, [HISTORY])

    def plan(self, seed: int) -> Sessions:
        """Return the sessions of the run with this seed, with the needs of each: the same for all policies."""
        periods = [(self.sizes.history_days, self.preferences), (self.drift_day, self.drifted(seed))]
        return self._draw([each for each in periods if each[0] < self.last_day], self.last_day, [PLAN, seed])

    def _draw(self, periods: Sequence[tuple[int, Preferences]], last_day: int, key: Sequence[int]) -> Sessions:
        """Return sessions, of registered households only."""
        rng = np.random.default_rng([WORLD_SEED, *key])
        sessions = draw_sessions(periods, last_day, self.behaviour.recalled_share, self.sizes.visit_share, rng)
        return sessions.where(self.registration_days[sessions.households] <= sessions.days)

    def chosen(self, preferences: Preferences, sessions: Sessions, seed: int) -> Ints:
        """Return the product that each need would be met with by a shopper on their own; shape (needs,).

        A multinomial logit over the category's assortment of the day: loyalty and taste, price and promotion.
        """
        rng = np.random.default_rng([WORLD_SEED, CHOICE, seed])
        households, days = sessions.households[sessions.need_sessions], sessions.days[sessions.need_sessions]
        members = self.members[sessions.need_categories]
        utility = preferences.choice[households[:, None], members]
        effects = {day: self.price_utilities(day) for day in np.unique(days).tolist()}
        priced = np.array([effects[day] for day in effects])[np.searchsorted(list(effects), days)[:, None], members]
        utility = utility + preferences.sensitivities[households, None] * priced + rng.gumbel(size=members.shape)
        missing = (members < 0) | (self.entry_days[members] > days[:, None])
        best = np.where(missing, -np.inf, utility).argmax(axis=1)
        return np.asarray(members[np.arange(len(members)), best])


def make_world(
    tables: Mapping[str, Any], behaviour: Behaviour | None = None, sizes: Sizes | None = None, seed: int = WORLD_SEED
) -> World:
    """Learn the world from the tables of The Complete Journey (`cli.datasets.complete_journey.load`).

    The preferences are learned from all households of the data; the shop's are drawn from them.
    """
    behaviour, sizes = behaviour or Behaviour(), sizes or Sizes()
    observed = observe(tables, sizes)
    preferences = fit(observed, sizes.factors, seed)
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(observed.households)[: sizes.households]
    own = calibrated(
        preferences.of(drawn),
        observed_incidence(observed, drawn),
        behaviour.recalled_share,
        sizes.visit_share,
        seed,
    )
    return World(
        observed=observed,
        preferences=own,
        behaviour=behaviour,
        sizes=sizes,
        entry_days=_new_days(observed.products, behaviour.cold_products, sizes, rng),
        registration_days=_new_days(len(drawn), behaviour.cold_customers, sizes, rng),
    )


def observed_incidence(observed: Observed, households: Ints) -> Floats:
    """Return in which share of the trips of some households each category was bought in the data."""
    rows = observed.category_days()
    own = np.isin(rows[:, 0], households)
    counts = np.bincount(rows[own, 1], minlength=len(observed.category_names))
    return np.asarray(counts / observed.visits[households].sum())


def _new_days(count: int, share: float, sizes: Sizes, rng: np.random.Generator) -> Ints:
    """Return 0 for most, and for a share of them a day of the run, evenly over its days before the drift."""
    days = np.zeros(count, np.int64)
    late = rng.permutation(count)[: round(share * count)]
    last = max(1, min(sizes.drift_day, sizes.days))
    days[late] = sizes.history_days + np.arange(len(late)) * last // max(1, len(late))
    return days
