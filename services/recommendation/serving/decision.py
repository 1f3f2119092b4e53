"""What fills the list of one answer: the arms of experiments, the variant of a bandit, and whether it explores.

An arm that says something fills the list; else the placement's bandit chooses. Shoppers who do not permit `measure` are
in no experiment, and lists that nobody counts teach nothing, so they are filled as the placement says.
Nor do bandits and exploration meet who is held out (`shared.experiments.meeting`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from services.recommendation.algorithms.interactions import EVENT_WEIGHTS
from services.recommendation.request import Query
from services.recommendation.serving.exploration import Draw, attempts
from services.recommendation.serving.known_shopper import KnownShopper
from shared.bandit.choice import choice_probabilities, drawn, unknown_probabilities
from shared.bandit.context import features
from shared.bandit.posterior import Floats, Posterior
from shared.experiments.bandit_plan import BanditPlan
from shared.experiments.decision import Exposure, ListDecision
from shared.experiments.experiment import Asker, Experiment
from shared.experiments.meeting import meetings
from shared.experiments.variant import Variant
from shared.merchandising.merchandising import Merchandising
from shared.merchandising.placement import Placement
from shared.page_rules import ONLY_BOUGHT


@dataclass(frozen=True)
class Decided:
    """A query as it is answered, and what was decided about it.

    Parameters
    ----------
    query : Query
        With the placement as the chosen variants fill it.
    exposures : tuple of Exposure
        The arms that the list belongs to, by experiment.
    bandit : ListDecision, optional
        What a bandit chose.
    draw : Draw, optional
        Where the list tries to explore; None where it does not.
    interleaved : Experiment, optional
        The experiment whose two arms the list is drawn from.
    """

    query: Query
    exposures: tuple[Exposure, ...] = ()
    bandit: ListDecision | None = None
    draw: Draw | None = None
    interleaved: Experiment | None = None

    @property
    def comparable(self) -> bool:
        """Whether another model, asked the same, would be asked for the same kind of list: nothing is drawn in it."""
        return self.draw is None and self.interleaved is None


def decide(
    query: Query, shopper: KnownShopper, merchandising: Merchandising, random: np.random.Generator, now: datetime
) -> Decided:
    """Decide how a list is filled."""
    if not shopper.person.permissions.measure:
        return Decided(_certain(query))
    if query.page_token:
        query = _certain(query)
    asker = Asker(query.customer_id, query.visitor_id, query.context.session_id)
    met = meetings(merchandising.experiments, query.placement.placement_id, asker, now)
    held_out = any(each.held_out for each in met)
    exposures = tuple(each.exposure for each in met)
    split = [each.arm.variant for each in met if not each.interleaved]
    said = [variant for variant in split if not variant.says_nothing]
    filled = _filled(query, said)
    if held_out:
        return Decided(_certain(filled), exposures)
    if any(variant.says_order for variant in said):
        return Decided(filled, exposures, None, _draw(filled, random))
    both = next((each.experiment for each in met if each.interleaved), None)
    if both is not None and not query.page_token:
        return Decided(_certain(filled), exposures, interleaved=both)
    variant, bandit = _bandit_choice(query, shopper, merchandising, random, now)
    filled = filled if variant is None else _filled(filled, [variant])
    return Decided(filled, exposures, bandit, _draw(filled, random))


def _certain(query: Query) -> Query:
    """Return a query whose list explores nothing, so that each of its products is logged as certain."""
    placement = query.placement
    if placement.exploration is None:
        return query
    return replace(query, stored_placement=replace(placement, exploration=None))


def _filled(query: Query, variants: Sequence[Variant]) -> Query:
    """Return the query with its placement as variants fill it, the later ones last."""
    placement: Placement = query.placement
    diversity = query.diversity
    for variant in variants:
        placement = variant.fill(placement)
        diversity = diversity if variant.diversity is None else None
    if placement is query.placement:
        return query
    return replace(query, stored_placement=placement, diversity=diversity)


def _bandit_choice(
    query: Query,
    shopper: KnownShopper,
    merchandising: Merchandising,
    random: np.random.Generator,
    now: datetime,
) -> tuple[Variant | None, ListDecision | None]:
    """Return the variant that the placement's bandit chooses, and the choice as it is logged.

    Later pages of a list are filled by the variant that seems best, and teach nothing.
    """
    plan = query.placement.bandit
    if plan is None:
        return None, None
    context = np.array(_features(query, shopper, now))
    beliefs = merchandising.posteriors.get(query.placement.placement_id, {})
    chances = _chances(plan, beliefs, context)
    if query.page_token:
        return plan.variants[int(np.argmax(chances))], None
    chosen = plan.variants[drawn(chances, random.random())]
    named = {each.variant_id: float(chance) for each, chance in zip(plan.variants, chances, strict=True)}
    return chosen, ListDecision(chosen.variant_id, named, tuple(context.tolist()))


def _chances(plan: BanditPlan, beliefs: Mapping[str, Posterior], context: Floats) -> Floats:
    """Return the probability of each variant; before there is a belief about each of them, what is shown at first."""
    known = [beliefs.get(each.variant_id) for each in plan.variants]
    if any(each is None or len(each.mean) != len(context) for each in known):
        return unknown_probabilities(len(plan.variants), plan.most_explored)
    means, variances = np.array([each.reward(context) for each in known if each is not None]).T
    return choice_probabilities(means, variances, plan.most_explored)


def _features(query: Query, shopper: KnownShopper, now: datetime) -> tuple[float, ...]:
    past = shopper.past
    cart = len(query.context.cart_product_ids) or len(past.cart)
    strength = float(EVENT_WEIGHTS[past.kinds].sum())
    return features(strength, len(np.unique(past.bought)), len(np.unique(shopper.session)), cart, now)


def _draw(query: Query, random: np.random.Generator) -> Draw | None:
    """Return where a list tries to explore: so often that the expected share of places keeps to the budget."""
    plan = query.placement.exploration
    if plan is None or query.placement.page in ONLY_BOUGHT or query.limit < 2:
        return None
    attempt, accept, place, product = random.random(4).tolist()
    return Draw(accept, place, product) if attempt < attempts(plan.share_of_places, query.limit) else None
