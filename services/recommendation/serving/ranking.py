"""Ranking: what the algorithms of a page propose, ordered by the reranker or fused by weights, spread over categories.

An algorithm that fails is left out: the answer is made without it and says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import structlog

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.base import Reason, ReasonKind
from services.recommendation.algorithms.diversity import rerank
from services.recommendation.algorithms.fusion import Fused, fuse_table
from services.recommendation.reranker.candidates import DEPTH
from services.recommendation.reranker.scorers import proposers
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.page_policy import SEARCH, PagePolicy
from services.recommendation.serving.proposals import Proposals
from services.recommendation.serving.rerank import NAME as HYBRID
from services.recommendation.serving.rerank import PageReranker, RerankResult
from services.recommendation.serving.retrieval import COLD_CONTENT, Scorer, ShopperViews
from shared import page_rules
from shared.algorithms import DEFAULT_WEIGHTS
from shared.page_rules import ProductColumns
from shared.telemetry import FALLBACKS

SMALLEST_POOL = 60
POOL_PER_PLACE = 4
MATCHING = 0.5
"""Share of a search from which a product matches it."""
ALIKE = 0.8
"""Cosine from which a product can stand in for another of its category."""
LIVE = ("content", "new_arrivals")
"""Algorithms that look at the live catalogue: they know products that came after the training."""
LAST_RESORT = {"popular": 1.0}
"""Weights when every algorithm failed."""
log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class Ranked:
    """Proposals with their final scores.

    Parameters
    ----------
    fused : Fused
        Over the places of `proposals.rows`: what each algorithm gave to each, and the sums.
    proposals : Proposals
    allowed : ndarray of shape (n_products,), bool
        What may be shown.
    failed : tuple of str
        The algorithms that failed, and `hybrid` where the reranker did.
    exhausted : bool
        Whether all of them failed.
    groups : ndarray of shape (n_products,), int32, optional
        Codes of the groups of which a page shows one variant each; -1 for none.
    reranked : RerankResult, optional
        The order of the reranker, where one was asked.
    """

    fused: Fused
    proposals: Proposals
    allowed: Mask
    failed: tuple[str, ...]
    exhausted: bool = False
    groups: Rows | None = None
    reranked: RerankResult | None = None

    def top(self, n: int) -> Rows:
        """Return the products of the `n` largest scores above 0, best first."""
        return self.proposals.rows[self.fused.top(n)]

    def score(self, row: int) -> float:
        """Return the final score of a product; 0 for one that nobody proposed."""
        return self.shown(np.array([row], np.int32))[0][0]

    def contributions(self, row: int) -> dict[str, float]:
        """Return what each algorithm gave to a product, largest first; {} for one that nobody proposed."""
        return self.shown(np.array([row], np.int32))[0][1]

    def shown(self, rows: Rows) -> list[tuple[float, dict[str, float]]]:
        """Return score and contributions of each of the products, as `score` and `contributions` give them."""
        known = self.proposals.rows
        places = np.minimum(np.searchsorted(known, rows), max(len(known) - 1, 0))
        if not len(known):
            return [(0.0, {})] * len(rows)
        found = (known[places] == rows).tolist()
        given = zip(found, self.fused.scores[places].tolist(), self.fused.contributions_of(places), strict=True)
        return [(score, parts) if there else (0.0, {}) for there, score, parts in given]


def rank(
    scorers: Mapping[str, Scorer],
    weights: Mapping[str, float],
    views: ShopperViews,
    allowed: Mask,
    reranker: PageReranker | None = None,
    *,
    learned_weights: Mapping[str, float] | None = None,
    depth: int = DEPTH,
) -> Ranked:
    """Retrieve, score the proposals and order them; popular products when all algorithms fail.

    Parameters
    ----------
    scorers : mapping of name to Scorer
    weights : mapping of name to float
        The weight of each algorithm on the page.
    views : ShopperViews
        The shopper.
    allowed : ndarray of shape (n_products,), bool
        Products that may be shown.
    reranker : PageReranker, optional
        The learned reranker of the page's context.
    learned_weights : mapping of name to float, optional
        Weights that were learned from response, which tilt a reranker that orders the page alone.
    depth : int
        Products that each algorithm proposes.
    """
    proposals = _proposals(scorers, weights, views, allowed, reranker, depth)
    failed = proposals.failed
    result = None
    if reranker and proposals.names:
        result = _rerank(reranker, proposals, views)
        failed = failed if result else (*failed, HYBRID)
    exhausted = not result and not set(proposals.names) & weights.keys()
    if exhausted:
        weights = LAST_RESORT
        proposals = Proposals.of(scorers, LAST_RESORT, views, allowed, depth)
    fused = _fused(proposals, weights, reranker, result, learned_weights)
    return Ranked(fused, proposals, allowed, failed, exhausted, reranked=result)


def demote(ranked: Ranked, catalogue: Catalogue, policy: PagePolicy, just_bought: Rows, seen: Rows) -> Ranked:
    """Return the ranking with less of what this shopper needs least now.

    Who just bought milk needs no other milk: substitutes of `just_bought` (of the same category and close in the
    embedding space) keep the share `policy.substitutes` of their score. Who looked at a product a moment ago knows
    it: what was `seen` keeps the share `policy.seen`.
    """
    rows, fused = ranked.proposals.rows, ranked.fused
    keep = np.ones(len(rows), np.float32)
    if policy.substitutes < 1.0 and len(just_bought):
        keep[_substitutes(catalogue, rows, just_bought)] = policy.substitutes
    if policy.seen < 1.0 and len(seen):
        keep[np.isin(rows, seen)] *= policy.seen
    if (keep == 1.0).all():
        return ranked
    demoted = replace(fused, scores=fused.scores * keep, parts=fused.parts * keep)
    return replace(ranked, fused=demoted)


def one_of_each_group(ranked: Ranked, products: ProductColumns) -> Ranked:
    """Return the ranking with one variant of each group: of those in stock now, else of all, the best one."""
    rows, fused = ranked.proposals.rows, ranked.fused
    best = rows[np.argsort(-fused.scores, kind="stable")][: np.count_nonzero(fused.scores > 0)]
    left = np.isin(rows, page_rules.one_of_each_group(products, best))
    return replace(ranked, fused=replace(fused, scores=fused.scores * left), groups=products.group)


def diversify(ranked: Ranked, catalogue: Catalogue, policy: PagePolicy, limit: int, wanted: int = 0) -> Rows:
    """Return up to `limit` rows, or `wanted` if these are more, best first and different as the page's policy says.

    The first `limit` are the list of the page; what is wanted beyond them could take their places. What matches a
    search comes before all that does not. What nobody proposed fills the list at its end.
    """
    wanted = max(limit, wanted)
    pool = max(SMALLEST_POOL, POOL_PER_PLACE * wanted)
    scores = ranked.fused.scores
    matching = ranked.proposals.scores_by(SEARCH) >= MATCHING
    tiers = [scores * matching, scores * ~matching] if matching.any() else [scores]
    candidates = np.concatenate(
        [_diverse(replace(ranked.fused, scores=tier), ranked.proposals.rows, catalogue, policy, pool) for tier in tiers]
    )
    spread = _spread(candidates, catalogue, policy.category_share, limit)
    if wanted > limit:
        spread = np.concatenate([spread, candidates[~np.isin(candidates, spread)]])
    return spread[:wanted] if policy.bought else _filled(spread[:wanted], ranked, wanted)


def explain(
    contributions: Iterable[str], scorers: Mapping[str, Scorer], views: ShopperViews, row: int
) -> Reason | None:
    """Return the reason of the first algorithm that has one for a product; None where nobody has one.

    `contributions` are the algorithms that gave the product something, the one that gave most first.
    """
    for name in contributions:
        try:
            reason = scorers[name].explain(views, row)
        except Exception:  # a recommendation is worth more than its reason: the next algorithm may have one
            log.exception("explanation failed", algorithm=name)
            FALLBACKS.labels("recommendation", f"explanation_failed:{name}").inc()
            continue
        if reason is not None:
            return _not_itself(reason, row)
    return None


def _proposals(
    scorers: Mapping[str, Scorer],
    weights: Mapping[str, float],
    views: ShopperViews,
    allowed: Mask,
    reranker: PageReranker | None,
    depth: int,
) -> Proposals:
    """Ask the scorers of the page.

    Where there is a reranker, only its scorers and those that the page is made for are asked, and for products that the
    model does not know yet, or that nobody met before the training, those that look at the live catalogue: unless the
    list is too short for such a product and the others fill it.
    """
    if reranker is None:
        return Proposals.of(scorers, weights, views, allowed, depth)
    own = reranker.scorer_names(views)
    asked = set(own) | (set() if reranker.alone else reranker.beside & weights.keys())
    new = allowed.copy()
    new[: len(reranker.item_features.values)] &= reranker.item_features.unmet
    asks_live = new.any() and (reranker.shows_cold or np.count_nonzero(allowed > new) < SMALLEST_POOL)
    live = [name for name in LIVE if name in weights and name not in asked] if asks_live else []
    if "content" in live and COLD_CONTENT in scorers:
        scorers = {**scorers, "content": scorers[COLD_CONTENT]}
    scored_only = set(own) - set(proposers(own))
    return Proposals.of(scorers, {*asked, *live}, views, allowed, depth, dict.fromkeys(live, new), scored_only)


def _rerank(reranker: PageReranker, proposals: Proposals, views: ShopperViews) -> RerankResult | None:
    """Return the order of the reranker; None when it fails."""
    try:
        return reranker.rerank(proposals, views)
    except Exception:  # the weights fuse instead, and the response says so
        log.exception("the reranker failed")
        return None


def _fused(
    proposals: Proposals,
    weights: Mapping[str, float],
    reranker: PageReranker | None,
    result: RerankResult | None,
    learned_weights: Mapping[str, float] | None,
) -> Fused:
    names, scores = proposals.names, proposals.scores
    if reranker is None or result is None:
        return fuse_table(names, scores, weights)
    if reranker.alone and result.chosen.all():
        return result.ordered_alone(learned_weights or DEFAULT_WEIGHTS)
    if reranker.alone:
        unmet = reranker.item_features.unmet
        cold = proposals.rows >= len(unmet)
        cold[~cold] = unmet[proposals.rows[~cold]]
        fused = fuse_table(names, scores, weights)
        return result.ordered(fused, learned_weights or DEFAULT_WEIGHTS, cold, reranker.cold_every)
    with_hybrid = np.concatenate([scores, result.scores()[None, :]])
    return result.attribute_credit(fuse_table((*names, HYBRID), with_hybrid, {**weights, HYBRID: reranker.weight}))


def _not_itself(reason: Reason, row: int) -> Reason:
    """Return the reason without the product itself among its sources; that alone means that it was looked at."""
    sources = tuple(source for source in reason.products if source != row)
    if sources == reason.products or reason.kind is ReasonKind.BUY_AGAIN:
        return reason
    return replace(reason, products=sources) if sources else Reason(ReasonKind.BECAUSE_YOU_VIEWED, (row,))


def _substitutes(catalogue: Catalogue, rows: Rows, bought: Rows) -> Mask:
    """Return which of `rows` could stand in for something bought."""
    alike = catalogue.embeddings[rows] @ catalogue.embeddings[bought].T >= ALIKE
    alike &= catalogue.category[rows][:, None] == catalogue.category[bought][None, :]
    return np.asarray(alike.any(axis=1))


def _filled(rows: Rows, ranked: Ranked, most: int) -> Rows:
    if len(rows) >= most:
        return rows
    rest = np.setdiff1d(np.flatnonzero(ranked.allowed), rows)
    if ranked.groups is not None:
        rest = _first_of_groups(rest, ranked.groups, ranked.groups[rows])
    return np.concatenate([rows, rest[: most - len(rows)].astype(np.int32)])


def _first_of_groups(rows: Rows, groups: Rows, shown: Rows) -> Rows:
    """Return the first row of each group that is not shown yet, and all that are in none."""
    own = groups[rows]
    _, firsts = np.unique(own, return_index=True)
    first = np.zeros(len(rows), bool)
    first[firsts] = True
    return rows[(own < 0) | (first & ~np.isin(own, shown))]


def _diverse(fused: Fused, rows: Rows, catalogue: Catalogue, policy: PagePolicy, pool: int) -> Rows:
    places = fused.top(pool)
    if policy.trade_off == 1.0:
        return rows[places]
    order = rerank(fused.scores[places], catalogue.embeddings[rows[places]], len(places), policy.trade_off)
    return rows[places[order]]


def _spread(rows: Rows, catalogue: Catalogue, share: float, limit: int) -> Rows:
    """Move what exceeds a category's share of the list behind the others, and what has the name of one before it.

    To a shopper, two products of one name are the same product twice. Returns at least `limit` rows where there are so
    many.
    """
    most = max(2, int(np.ceil(share * limit)))
    counts: dict[int, int] = {}
    names: set[str] = set()
    within: list[int] = []
    beyond: list[int] = []
    for row, category in zip(rows.tolist(), catalogue.category[rows].tolist(), strict=True):
        if len(within) == limit:
            break
        name = catalogue.names[row]
        counts[category] = counts.get(category, 0) + 1
        repeated = name in names
        names.add(name)
        (beyond if repeated or (category >= 0 and counts[category] > most) else within).append(row)
    return np.array(within + beyond, dtype=np.int32)
