"""Ranks logged lists again: as they were answered, and with another configuration.

What the log keeps of a list is its products, not what the call said of the page. So only pages that need nothing from
the call are ranked again, and only lists that come out as they were logged are compared.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.off_policy.exploring import ExploringList, ReplayedList
from services.recommendation.request import PageContext, Query
from services.recommendation.reranker.contexts import SESSION_SECONDS
from services.recommendation.serving.choice import arranged_page
from services.recommendation.serving.exploration import pool_of
from services.recommendation.serving.known_shopper import KnownShopper
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import PageList
from services.recommendation.serving.request_context import request_context
from services.recommendation.serving.user_history import Person, UserHistories, UserHistory
from services.recommendation.what_if.answered import EarnedList
from services.recommendation.what_if.request import ListExample
from shared.consent import NOTHING_SAID
from shared.db.recommendation_items import ListItem, unpack
from shared.db.recommended_lists import AnsweredList
from shared.experiments.meeting import HOLDOUT
from shared.experiments.variant import Variant
from shared.merchandising.merchandising import Merchandising
from shared.merchandising.placement import BUILT_IN, Placement
from shared.merchandising.rule import Moment
from shared.page_rules import Page

REPLAYABLE = frozenset({Page.HOME, Page.BUY_AGAIN})
"""Pages that are about nothing that a call names: no product, category, cart, order or search."""


@dataclass(frozen=True, eq=False)
class RankedAgain:
    """A list that came out as it was logged, compared with the configuration's."""

    replayed: ReplayedList
    example: ListExample


@dataclass(frozen=True, eq=False)
class RankingAgain:
    """Ranks the lists of a placement again.

    Parameters
    ----------
    state_of : callable
        Returns the serving state of a version of the model; None where it is not loaded.
    serving : ServingState
        The present state, with the placements and rules in force.
    histories : UserHistories
    placement : Placement
        As it is now.
    variant : Variant, optional
        The configuration; None for the way in which each list was filled.
    without_exploration : bool
        Whether the configuration explores nothing.
    """

    state_of: Callable[[str], ServingState | None]
    serving: ServingState
    histories: UserHistories
    placement: Placement
    variant: Variant | None
    without_exploration: bool

    def ranked(self, earned: EarnedList) -> RankedAgain | None:
        """Return a list ranked again; None for one that does not come out as it was logged."""
        answered, items = earned.answered, unpack(earned.answered.packed_items)
        own, state = self._as_answered(answered), self.state_of(answered.model_version)
        if own is None or state is None or not items:
            return None
        logged = _ranking(items, answered)
        logging, _ = self._list(earned, own, state, len(items))
        if not np.array_equal(logging.items, logged):
            return None
        other = self._configured(own)
        evaluation, touched = self._list(earned, other, self._state(own, other, state), len(items))
        if len(evaluation.items) != len(logged):
            return None
        shown = np.array([item.product_key for item in items], np.int64)
        rewards = np.array([earned.by_product.get(key, 0.0) for key in shown.tolist()])
        propensities = np.array([item.propensity for item in items])
        replayed = ReplayedList(shown, propensities, rewards, earned.unit, logging, evaluation)
        before, after = tuple(logged.tolist()), tuple(evaluation.items.tolist())
        return RankedAgain(replayed, ListExample(answered.generated_at, before, after, touched))

    def _as_answered(self, answered: AnsweredList) -> Placement | None:
        """Return the placement as it filled a list; None where that is not known."""
        decision, merchandising = answered.decision, self.serving.merchandising
        if decision.interleaved:
            return None
        chosen = _arms(answered, merchandising)
        if chosen is None:
            return None
        if decision.variant_id:
            variants = self.placement.bandit.variants if self.placement.bandit else ()
            found = next((each for each in variants if each.variant_id == decision.variant_id), None)
            if found is None:
                return None
            chosen = [*chosen, found]
        placement = self.placement
        for each in chosen:
            placement = each.fill(placement)
        return placement

    def _configured(self, own: Placement) -> Placement:
        filled = own if self.variant is None else self.variant.fill(self.placement)
        return replace(filled, exploration=None) if self.without_exploration else filled

    def _state(self, own: Placement, other: Placement, state: ServingState) -> ServingState:
        """Return the state that would have answered: another one only where another model is named."""
        if own.model_version == other.model_version:
            return state
        return self.state_of(other.model_version or self.serving.version) or state

    def _list(
        self, earned: EarnedList, placement: Placement, state: ServingState, limit: int
    ) -> tuple[ExploringList, dict[int, tuple[str, ...]]]:
        """Return what a placement shows, by keys of products, and the rules that touched each."""
        answered = earned.answered
        clock = int(answered.generated_at.timestamp())
        person, past = self._shopper(earned, state, clock)
        moment = Moment(placement.placement_id, placement.page, frozenset(person.segments), answered.generated_at)
        query = Query(
            customer_id=earned.shopper[0] or "",
            visitor_id=earned.shopper[1] or "",
            context=PageContext(placement.page),
            limit=limit,
            stored_placement=None if placement is BUILT_IN.get(placement.placement_id) else placement,
            rules=self.serving.merchandising.rules_at(moment, placement),
        )
        shopper = KnownShopper(person, past, past.in_session(_session(past, clock)))
        _, page = arranged_page(state, request_context(shopper, query, state, clock), query)
        keys = state.catalogue.keys
        touched = {int(keys[row]): names for row, names in page.touched.items() if names}
        return _exploring(page, state, query), touched

    def _shopper(self, earned: EarnedList, state: ServingState, clock: int) -> tuple[Person, UserHistory]:
        customer, visitor = (name or "" for name in earned.shopper)
        found = self.histories.read(customer, visitor, state.catalogue, state.version) if customer or visitor else None
        if found is None:
            return self.histories.nobody(NOTHING_SAID), UserHistory.nothing()
        return found[0], found[1].until(clock)


def _ranking(items: list[ListItem], answered: AnsweredList) -> Longs:
    """Return the products of a list as it was ranked, before one place was explored."""
    ranked = np.array([item.product_key for item in items], np.int64)
    displaced = answered.decision.displaced
    if displaced is not None and displaced.position <= len(ranked):
        ranked[displaced.position - 1] = displaced.product_key
    return ranked


def _arms(answered: AnsweredList, merchandising: Merchandising) -> list[Variant] | None:
    """Return the variants of the arms that a list belongs to; None where one is not known any more, or held out."""
    known = {each.experiment_id: each for each in merchandising.experiments}
    found = []
    for experiment_id, arm_id in sorted(answered.assignments.items()):
        experiment = known.get(experiment_id)
        names = [arm.arm_id for arm in experiment.arms] if experiment else []
        if experiment is None or arm_id not in names or (experiment.layer == HOLDOUT and arm_id != names[0]):
            return None
        found.append(experiment.arms[names.index(arm_id)].variant)
    return found


def _exploring(page: PageList, state: ServingState, query: Query) -> ExploringList:
    keys = state.catalogue.keys
    pool, items = pool_of(page, state, query), keys[page.rows].astype(np.int64)
    if pool is None:
        return ExploringList.certain(items)
    return ExploringList(items, pool.per_place, keys[pool.rows].astype(np.int64), pool.chances)


def _session(past: UserHistory, clock: int) -> int:
    """Return the session that was going on; 0 for none."""
    over = len(past.times) > 0 and clock - int(past.times[-1]) > SESSION_SECONDS
    return 0 if over else past.latest_session
