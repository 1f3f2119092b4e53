"""Exploration: one place of a list shows, now and then, a product whose response is not known well.

A list of n places tries to explore with probability s·n, where s is the placement's share of places, so the expected
share of explored places is s at most. It explores one place, drawn from the second to the last with equal chance. The
product comes from behind the list in proportion to its score, or from what the model has not met, all with equal
chance. When the expected loss of relevance Σ P(place) P(product) max(0, score at the place - score of the product) /
Σ scores would exceed the budget, attempts are accepted less often.

So each probability is known: of the product drawn for a place, of each product that stays at its place. Lists on which
pins or limits hold are not explored, as their places are promised.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.request import Query
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import PageList
from shared.bandit.choice import drawn
from shared.experiments.bandit_plan import ExplorationPlan
from shared.merchandising.rule import Limit, Pin
from shared.page_rules import ONLY_BOUGHT

Floats = NDArray[np.float64]
KNOWN_CANDIDATES = 30
"""Products behind the list that may be shown."""
MOST_NEW = 1_000
"""New products that may be shown, the latest of the catalogue."""


@dataclass(frozen=True)
class Draw:
    """Three uniform numbers from 0 to below 1 that settle an attempt: accepted or not, which place, which product."""

    accept: float
    place: float
    product: float


@dataclass(frozen=True, eq=False)
class ExplorationPool:
    """What a list may show for the sake of learning.

    Parameters
    ----------
    rows : ndarray of shape (n,), int32
        Products.
    chances : ndarray of shape (n,), float64
        With which each is drawn; their sum is 1.
    accepted : float
        Share of attempts that the budget of relevance allows.
    attempted : float
        Probability that a list tries.
    places : int
        Places that may be explored.
    """

    rows: Rows
    chances: Floats
    accepted: float
    attempted: float
    places: int

    @property
    def per_place(self) -> float:
        """Probability that a given place is explored."""
        return self.attempted * self.accepted / self.places


@dataclass(frozen=True, eq=False)
class ExploredList:
    """A list with the probability of each product at its place; `explored` is the place, from 0, or None."""

    page: PageList
    propensities: tuple[float, ...]
    explored: int | None = None
    displaced: int | None = None


def attempts(share_of_places: float, limit: int) -> float:
    """Return the probability that a list of `limit` places tries to explore one of them."""
    return min(1.0, share_of_places * limit)


def explored_list(page: PageList, serving: ServingState, query: Query, draw: Draw | None) -> ExploredList:
    """Return a page as it is shown: explored at one place where a draw says so and the budget allows it."""
    pool = pool_of(page, serving, query)
    if pool is None:
        return ExploredList(page, (1.0,) * len(page.rows))
    stays = 1.0 - pool.per_place
    chances = [1.0, *([stays] * (len(page.rows) - 1))]
    if draw is None or draw.accept >= pool.accepted:
        return ExploredList(page, tuple(chances))
    place = 1 + int(draw.place * pool.places)
    chosen = drawn(pool.chances, draw.product)
    rows = page.rows.copy()
    displaced, rows[place] = int(rows[place]), pool.rows[chosen]
    chances[place] = pool.per_place * float(pool.chances[chosen])
    return ExploredList(replace(page, rows=rows), tuple(chances), place, displaced)


def pool_of(page: PageList, serving: ServingState, query: Query) -> ExplorationPool | None:
    """Return what a page may show for the sake of learning; None where it does not explore."""
    plan = query.placement.exploration
    if plan is None or not _may_explore(page, query):
        return None
    return exploration_pool(page, serving, plan, attempts(plan.share_of_places, query.limit))


def exploration_pool(
    page: PageList, serving: ServingState, plan: ExplorationPlan, attempted: float
) -> ExplorationPool | None:
    """Return what a page of at least two products may show; None where there is nothing."""
    ranked = page.ranked
    taken = _taken(page, serving)
    unmet = _unmet(serving)
    new = np.flatnonzero(ranked.allowed & ~taken & unmet)[-MOST_NEW:].astype(np.int32)
    behind = ranked.top(len(page.rows) + KNOWN_CANDIDATES + len(taken))
    behind = behind[~taken[behind] & ~unmet[behind]][:KNOWN_CANDIDATES]
    share = _new_share(plan.new_products, len(behind), len(new))
    if share is None:
        return None
    scores = np.array([score for score, _ in ranked.shown(behind)], np.float64)
    known = (1.0 - share) * scores / scores.sum() if len(behind) else scores
    chances = np.concatenate([known, np.full(len(new), share / max(len(new), 1))])
    listed = np.array([score for score, _ in ranked.shown(page.rows)], np.float64)
    places = len(page.rows) - 1
    lost = np.maximum(listed[1:, None] - np.concatenate([scores, np.zeros(len(new))])[None, :], 0.0)
    loss = attempted * float((lost @ chances).mean()) / max(float(listed.sum()), np.finfo(np.float64).tiny)
    accepted = 1.0 if loss <= plan.relevance_given_up else plan.relevance_given_up / loss
    rows = np.concatenate([behind, new]).astype(np.int32)
    return ExplorationPool(rows, chances / chances.sum(), accepted, attempted, places)


def _may_explore(page: PageList, query: Query) -> bool:
    promised = any(isinstance(rule.action, Pin | Limit) for rule in query.rules)
    return len(page.rows) > 1 and not promised and query.placement.page not in ONLY_BOUGHT


def _taken(page: PageList, serving: ServingState) -> Mask:
    """Return which products the list shows, with the variants of their groups, shape (n_products,)."""
    catalogue = serving.catalogue
    taken = np.zeros(len(catalogue), bool)
    taken[page.rows] = True
    groups = catalogue.group[page.rows]
    if (groups >= 0).any():
        taken |= np.isin(catalogue.group, groups[groups >= 0])
    return taken


def _unmet(serving: ServingState) -> Mask:
    """Return which products nobody met before the training or came after it, shape (n_products,)."""
    unmet = np.ones(len(serving.catalogue), bool)
    features = serving.learned.item_features.get(Kind.PURCHASE)
    if features is not None:
        unmet[: len(features.unmet)] = features.unmet
    else:
        unmet[: serving.trained] = False
    return unmet


def _new_share(wanted: float, known: int, new: int) -> float | None:
    """Return the share of new products among those explored: all or none where the others are missing."""
    if known and new:
        return wanted
    return None if not known and not new else float(new > 0)
