"""A small shop whose policies' true values are known: variants by list, and items at the places of lists.

It is what the coverage of the off-policy estimators is measured on. Another shop takes its place by having
`ActionWorld`'s or `SlateWorld`'s methods.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.off_policy.log import ActionLog, SlateLog

Floats: TypeAlias = NDArray[np.float64]
Policies: TypeAlias = dict[str, Floats]

TRUTH_CUSTOMERS = 300_000
TRUTH_SEED = 20


@dataclass(frozen=True)
class ActionSample:
    """Logged decisions, and what an estimator may know of them.

    Parameters
    ----------
    log : ActionLog
    features : ndarray of shape (n, d), float64
        What was known of customer and page when the decision was made.
    policies : dict of str to ndarray of shape (n, n_actions), float64
        Probability of each action by each evaluated policy.
    """

    log: ActionLog
    features: Floats
    policies: Policies


@dataclass(frozen=True)
class SlateSample:
    """Logged lists, and what an estimator may know of them.

    Parameters
    ----------
    log : SlateLog
    buckets : ndarray of shape (n, k), int64
        Kind of the item shown at each place, for the reward model.
    policies : dict of str to ndarray of shape (n, k), float64
        Probability of the shown item at its place by each evaluated policy.
    shares : dict of str to ndarray of shape (n, k, n_buckets), float64
        Probability of each kind of item at each place by each evaluated policy.
    """

    log: SlateLog
    buckets: Longs
    policies: Policies
    shares: Policies


class ActionWorld(Protocol):
    """A shop whose lists are filled by one of several variants."""

    def sample_log(self, rng: np.random.Generator, n: int) -> ActionSample:
        """Return the decisions of `n` customers."""
        ...

    def true_value(self, policy: str) -> float:
        """Return what a list earns on average under the named policy."""
        ...


class SlateWorld(Protocol):
    """A shop whose lists explore items at their places."""

    def sample_log(self, rng: np.random.Generator, n: int) -> SlateSample:
        """Return the lists of `n` customers."""
        ...

    def true_value(self, policy: str) -> float:
        """Return what a list earns on average under the named policy."""
        ...


@dataclass(frozen=True)
class Customers:
    """The lists of some customers: whose each is, and what is known of it."""

    units: Longs
    features: Floats
    spending: Floats


def customers(rng: np.random.Generator, n: int) -> Customers:
    """Return the lists of `n` customers, a geometric number each with mean 4; their spending differs log-normally."""
    lists = rng.geometric(0.25, n)
    units = np.repeat(np.arange(n), lists)
    taste, spending = rng.normal(size=(n, 2)), rng.normal(0.0, 0.5, n)
    page = np.eye(3)[rng.integers(0, 3, len(units))]
    return Customers(units, np.column_stack([taste[units], page]), spending[units])


@dataclass(frozen=True)
class VariantShop:
    """Six variants fill lists by probabilities that depend on the context; a list earns revenue with a long tail.

    The logging policy is a softmax over noisy preferences mixed with 5 % uniform choice. A list leads to a purchase in
    about one case of nine; amounts are log-normal with sigma 1, times the customer's spending. The model that made the
    rewards is not linear in the features.
    """

    n_actions: int = 6
    sigma: float = 1.0
    floor: float = 0.05

    @cached_property
    def _tables(self) -> tuple[Floats, Floats]:
        rng = np.random.default_rng(7)
        return rng.normal(0.0, 0.5, (5, self.n_actions)), rng.normal(0.0, 0.4, (5, self.n_actions))

    def sample_log(self, rng: np.random.Generator, n: int) -> ActionSample:
        """Return the decisions of `n` customers."""
        shop = customers(rng, n)
        logging = self._logging(shop.features)
        actions = drawn_actions(rng, logging)
        rows = np.arange(len(actions))
        bought = rng.random(len(rows)) < self._purchase(shop)[rows, actions]
        amounts = rng.lognormal(3.0 + shop.spending, self.sigma)
        log = ActionLog(actions, logging[rows, actions], np.where(bought, amounts, 0.0), shop.units, logging)
        return ActionSample(log, shop.features, self._policies(shop.features, logging))

    def true_value(self, policy: str) -> float:
        """Return what a list earns on average under the named policy, by 1.2 million lists' expected rewards."""
        return self._values[policy]

    @cached_property
    def _values(self) -> dict[str, float]:
        shop = customers(np.random.default_rng(TRUTH_SEED), TRUTH_CUSTOMERS)
        expected = self._purchase(shop) * np.exp(3.0 + shop.spending + self.sigma**2 / 2)[:, None]
        policies = self._policies(shop.features, self._logging(shop.features))
        return {name: float((shares * expected).sum(axis=1).mean()) for name, shares in policies.items()}

    def _logging(self, features: Floats) -> Floats:
        preference, _ = self._tables
        return exploring(features @ preference, self.floor)

    def _purchase(self, shop: Customers) -> Floats:
        _, effects = self._tables
        bent = np.column_stack([np.sin(2 * shop.features[:, :2]), shop.features[:, 2:]])
        logits = -2.4 + 0.4 * shop.spending[:, None] + bent @ effects + 0.1 * np.arange(self.n_actions)
        return 1.0 / (1.0 + np.exp(-logits))

    def _policies(self, features: Floats, logging: Floats) -> Policies:
        _, effects = self._tables
        return evaluated_policies(logging, features @ effects, 3)


def exploring(scores: Floats, floor: float) -> Floats:
    """Return the probability of each action by a softmax of scores, of which all share `floor` equally."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Floats = powers / powers.sum(axis=1, keepdims=True)
    return np.asarray((1.0 - floor) * shares + floor / scores.shape[1])


def drawn_actions(rng: np.random.Generator, chances: Floats) -> Longs:
    """Draw an action of each row by its chances, shape (n, n_actions)."""
    last = chances.shape[1] - 1
    actions: Longs = (rng.random((len(chances), 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(max=last)
    return actions


def evaluated_policies(logging: Floats, scores: Floats, static_action: int) -> Policies:
    """Return the policies that are evaluated: the logged one, all alike, the largest score, and one action always."""
    n, k = logging.shape
    greedy = np.full((n, k), 0.02)
    greedy[np.arange(n), scores.argmax(axis=1)] += 1.0 - 0.02 * k
    static = np.zeros((n, k))
    static[:, static_action] = 1.0
    return {"logging": logging, "uniform": np.full((n, k), 1.0 / k), "greedy": greedy, "static": static}


@dataclass(frozen=True)
class ExploringShop:
    """Lists of ten places that are read from the top; places explore at random; purchases end the reading.

    A place shows the best item of its rank, or with the logging policy's probability of 20 % one of eight others,
    evenly. A policy is a probability to explore by place and the shares of the eight. Shoppers look at a place with a
    probability that falls with its rank, and stop after a purchase: what a place earns depends on the items above it.
    """

    n_places: int = 10
    n_others: int = 8
    sigma: float = 1.0
    logged: float = 0.2

    def sample_log(self, rng: np.random.Generator, n: int) -> SlateSample:
        """Return the lists of `n` customers; kind 0 is the item of the rank, 1 to 8 are the others."""
        shop = customers(rng, n)
        lists, places = len(shop.units), np.arange(self.n_places)
        tables = self._tables()
        logging = tables["logging"]
        draws = rng.random((lists, self.n_places, 1))
        buckets = (draws > logging.cumsum(axis=1)).sum(axis=2).clip(max=self.n_others)
        buy = _liking(shop)[:, None] * self._chances()[places, buckets]
        bought = rng.random(buy.shape) < buy
        first = bought & (bought.cumsum(axis=1) == 1)
        rewards = np.where(first, rng.lognormal(3.0 + shop.spending[:, None], self.sigma, buy.shape), 0.0)
        log = SlateLog.full(logging[places, buckets], rewards, shop.units)
        shares = {name: np.broadcast_to(table, (lists, *table.shape)) for name, table in tables.items()}
        return SlateSample(log, buckets, {name: table[places, buckets] for name, table in tables.items()}, shares)

    def true_value(self, policy: str) -> float:
        """Return what a list earns on average under the named policy, by 1.2 million lists' expected rewards."""
        return self._values[policy]

    @cached_property
    def _values(self) -> dict[str, float]:
        shop = customers(np.random.default_rng(TRUTH_SEED), TRUTH_CUSTOMERS)
        amount, liking = np.exp(3.0 + shop.spending + self.sigma**2 / 2), _liking(shop)
        values = {}
        for name, table in self._tables().items():
            missed = 1.0 - liking[:, None] * (self._chances() * table).sum(axis=1)
            values[name] = float((amount * (1.0 - missed.prod(axis=1))).mean())
        return values

    def _tables(self) -> Policies:
        """Return each policy's probability of each kind of item by place, shape (n_places, 1 + n_others)."""
        even = np.full(self.n_others, 1.0 / self.n_others)
        leaning = np.linspace(0.5, 1.5, self.n_others) / self.n_others
        falling = np.linspace(0.1, 0.3, self.n_places)
        return {
            "logging": self._table(np.full(self.n_places, self.logged), even),
            "no_exploration": self._table(np.zeros(self.n_places), even),
            "half": self._table(np.full(self.n_places, self.logged / 2), even),
            "below": self._table(falling, even),
            "leaning": self._table(np.full(self.n_places, self.logged), leaning),
        }

    def _table(self, explored: Floats, shares: Floats) -> Floats:
        return np.column_stack([1.0 - explored, explored[:, None] * shares])

    def _chances(self) -> Floats:
        """Return the probability of a purchase by place and kind, shape (n_places, 1 + n_others), at full liking."""
        seen = 1.0 / np.arange(1, self.n_places + 1) ** 0.7
        kinds = np.concatenate([[0.1], np.linspace(0.02, 0.16, self.n_others)])
        chances: Floats = seen[:, None] * kinds
        return chances


def _liking(shop: Customers) -> Floats:
    liking: Floats = 1.0 / (1.0 + np.exp(-shop.features[:, 0]))
    return liking
