"""What placements and rules make of a page: their plan, their weights, and the arrangement of the list."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.fusion import Fused
from services.recommendation.request import Query
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.page_policy import FILL, RankingPlan
from services.recommendation.serving.ranking import Ranked
from shared.merchandising.arrangement import Arranged, GroupLimit, PinnedRow, arranged
from shared.merchandising.rule import Limit, Pin, Rule
from shared.merchandising.weighing import Facts, Floats, boosted, weighed
from shared.page_rules import FILTER_MASKS, ONLY_BOUGHT, Mask, ProductColumns

WEIGHTS = "weights"
"""Strategy of a list that is ordered by the weights of its placement or variant."""
REVENUE_DEPTH = 300
"""Products that each algorithm proposes at least where the price counts: the dear ones stand further behind."""
SMALLEST_STEP = 1e-6
SPARE_PER_PLACE = 4
"""Candidates for each place of a list in which limits leave some out."""


@dataclass(frozen=True, eq=False)
class Merchandised:
    """A ranking with the weights of placement and rules, and the rules that touched each product, by row."""

    ranked: Ranked
    touched: dict[int, tuple[str, ...]] = field(default_factory=dict)


def placed_plan(plan: RankingPlan, query: Query) -> RankingPlan:
    """Return how the answer is made when the placement, or the call, says something about it."""
    placement = query.placement
    diversity = query.diversity if query.diversity is not None else placement.diversity
    policy = plan.policy if diversity is None else replace(plan.policy, trade_off=1.0 - diversity)
    ordered_by = dict(placement.weights) if placement.weights else {placement.strategy: 1.0}
    if not any(ordered_by) or plan.policy.bought:
        return plan if policy is plan.policy else replace(plan, policy=policy)
    total = sum(ordered_by.values())
    weights = {"popular": FILL, **{name: weight / total for name, weight in ordered_by.items()}}
    strategy = placement.strategy or WEIGHTS
    depth = REVENUE_DEPTH if placement.boosts.revenue else 0
    return RankingPlan(replace(policy, alone=False, base={}, cold_every=0), strategy, weights, depth=depth)


def merchandise(ranked: Ranked, catalogue: Catalogue, offered: ProductColumns, query: Query) -> Merchandised:
    """Return a ranking with scores as the boosts of the placement, and rules that boost or bury, say.

    `offered` are the products as the place of the call offers them.
    """
    placement = query.placement
    rows = ranked.proposals.rows
    by_rules = weighed(query.rules, rows, lambda rule: mask_of(rule, offered))
    factors = by_rules.factors
    if placement.boosts:
        factors = factors * boosted(placement.boosts, _facts(catalogue, rows))
    if (factors == 1.0).all():
        return Merchandised(ranked)
    fused = in_rates(ranked) if placement.boosts.revenue else ranked.fused
    scale = factors.astype(np.float32)
    # Scores are from 0 to 1 whatever the rules say; contributions keep adding up to them.
    scale /= max(1.0, float((fused.scores * scale).max(initial=0.0)))
    changed = replace(fused, scores=fused.scores * scale, parts=fused.parts * scale)
    touched = {int(rows[place]): names for place, names in by_rules.touched.items()}
    return Merchandised(replace(ranked, fused=changed), touched)


def in_rates(ranked: Ranked) -> Fused:
    """Return the fusion in its order, with scores that are proportional to how often products are bought.

    The score of a reranker says where a product stands, not how often it is bought: a price it is multiplied with would
    count for far too much. What stands behind all candidates of the reranker is bought as often as the last of them, at
    most. Without a reranker, or where rates are not known, the scores stay.
    """
    fused, rates = ranked.fused, ranked.reranked.rates() if ranked.reranked else None
    if rates is None:
        return fused
    best = fused.top(len(fused.scores))
    scores = np.zeros(len(fused.scores), np.float32)
    places = np.arange(len(best))
    # What is bought equally often stays in its order.
    scores[best] = rates[np.minimum(places, len(rates) - 1)] * (1.0 - SMALLEST_STEP * places)
    scale = np.divide(scores, fused.scores, out=np.zeros_like(scores), where=fused.scores > 0)
    return replace(fused, scores=scores, parts=fused.parts * scale)


def places_to_fill(rules: Sequence[Rule], limit: int) -> int:
    """Return how many candidates the arrangement of a list of `limit` places wants."""
    return limit * SPARE_PER_PLACE if _arranges(rules) else limit


def arrangement(candidates: Rows, allowed: Mask, catalogue: Catalogue, query: Query) -> Arranged:
    """Return the list of candidates (best first) with pins and limits, and the rules that put each where it is."""
    if not _arranges(query.rules):
        return Arranged(candidates[: query.limit].tolist())
    pins = [pin for rule in query.rules if (pin := _pinned(rule, allowed, catalogue, len(query.shown))) is not None]
    candidates = _without_variants(candidates, [pin.row for pin in pins], catalogue, query)
    shown = [row for row in catalogue.rows_of(query.shown).tolist() if row >= 0]
    concerned = np.unique(np.concatenate([candidates, [pin.row for pin in pins], shown]).astype(np.int32))
    limits = [
        GroupLimit(rule.rule_id, rule.action, groups_of(rule.action, concerned, catalogue))
        for rule in query.rules
        if isinstance(rule.action, Limit)
    ]
    return arranged(candidates.tolist(), pins, limits, query.limit, shown)


def mask_of(rule: Rule, products: ProductColumns) -> Mask:
    """Return which products the filter of a rule holds for, shape (n_products,), bool."""
    return np.ones(len(products.price), np.bool_) if rule.filter is None else FILTER_MASKS.of(rule.filter, products)


def groups_of(limit: Limit, rows: Rows, catalogue: Catalogue) -> dict[int, int]:
    """Return the code of the brand or category of each product that has one, by row."""
    codes = getattr(catalogue, limit.group.value)[rows]
    return {row: code for row, code in zip(rows.tolist(), codes.tolist(), strict=True) if code >= 0}


def _without_variants(candidates: Rows, pinned: Sequence[int], catalogue: Catalogue, query: Query) -> Rows:
    """Return candidates without other variants of what is pinned, where a page shows one of each group."""
    groups = catalogue.group[list(pinned)]
    groups = groups[groups >= 0]
    if query.context.page in ONLY_BOUGHT or not len(groups):
        return candidates
    return candidates[~np.isin(catalogue.group[candidates], groups)]


def _arranges(rules: Sequence[Rule]) -> bool:
    return any(isinstance(rule.action, Pin | Limit) for rule in rules)


def _pinned(rule: Rule, allowed: Mask, catalogue: Catalogue, shown: int) -> PinnedRow | None:
    if not isinstance(rule.action, Pin):
        return None
    row = catalogue.row_of_id(rule.action.product_id)
    if row is None or not allowed[row]:
        return None
    return PinnedRow(rule.rule_id, row, rule.action.position - 1 - shown)


def margin(catalogue: Catalogue, rows: Rows) -> Floats:
    """Return the share of the price that is above the cost, shape (n,); NaN where price or cost is not known."""
    price, cost = catalogue.price[rows].astype(np.float64), catalogue.cost[rows]
    known = (price > 0) & (cost >= 0)
    return np.where(known, 1.0 - cost / np.where(known, price, 1.0), np.nan)


def _facts(catalogue: Catalogue, rows: Rows) -> Facts:
    price = catalogue.price[rows].astype(np.float64)
    price[price < 0] = np.nan
    return Facts(
        _in_one_currency(price, catalogue.currency[rows]),
        margin(catalogue, rows),
        catalogue.added[rows].astype(np.float64),
    )


def _in_one_currency(price: Floats, currency: Rows) -> Floats:
    """Return prices in the currency of most of them; NaN for the others."""
    known = currency[~np.isnan(price) & (currency >= 0)]
    if not len(known):
        return np.full(len(price), np.nan)
    return np.where(currency == np.bincount(known).argmax(), price, np.nan)
