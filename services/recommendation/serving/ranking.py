"""Ranking: scores of the chosen algorithms and the order of the learned hybrid, fused, spread over different things.

An algorithm that fails is left out: the answer is made without it and says so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import structlog

from services.recommendation.algorithms.arrays import FloatArray, Mask, Rows
from services.recommendation.algorithms.base import Reason, ReasonKind
from services.recommendation.algorithms.diversity import rerank
from services.recommendation.algorithms.fusion import Fused, fuse
from services.recommendation.reranker.model import LAST
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.page_policy import SEARCH, PagePolicy
from services.recommendation.serving.rerank import NAME as HYBRID
from services.recommendation.serving.rerank import PageReranker, RerankResult
from services.recommendation.serving.retrieval import Scorer, ShopperViews
from shared.telemetry import FALLBACKS

SMALLEST_POOL = 60
POOL_PER_PLACE = 4
MATCHING = 0.5
"""Share of a search from which a product matches it."""
ALIKE = 0.8
"""Cosine from which a product can stand in for another of its category."""
MOST_STEPPING_BACK = 500
"""Best products among which substitutes are looked for; those behind are hardly ever shown."""
LAST_RESORT = {"popular": 1.0}
"""Weights when every algorithm failed."""
log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class Ranked:
    """Scores fused over the allowed products, what the algorithms said, who failed, and what may be shown."""

    fused: Fused
    scores: Mapping[str, FloatArray]
    allowed: Mask
    failed: tuple[str, ...]
    exhausted: bool = False
    """Whether all of them failed."""


def score_all(
    scorers: Mapping[str, Scorer], names: Iterable[str], views: ShopperViews
) -> tuple[dict[str, FloatArray], tuple[str, ...]]:
    """Return the scores of those of the named algorithms that are there, and the names of those that failed."""
    scores: dict[str, FloatArray] = {}
    failed: set[str] = set()
    # from the end: `OfLast` before the algorithm itself, whose scores it brings along
    for name in sorted(scorers.keys() & set(names), reverse=True):
        try:
            scores[name] = _finite(scorers[name].score(views))
        except Exception:  # the answer is made without it; `failed` says so in the response
            log.exception("algorithm failed", algorithm=name)
            failed.add(name.removesuffix(LAST))
    return scores, tuple(sorted(failed))


def rank(
    scorers: Mapping[str, Scorer],
    weights: Mapping[str, float],
    views: ShopperViews,
    allowed: Mask,
    voice: PageReranker | None = None,
) -> Ranked:
    """Score, leave out who fails, and fuse over the allowed products; popular ones when all fail."""
    scores, failed = score_all(scorers, [*weights, *(voice.asks(views) if voice else ())], views)
    said = None
    if voice and scores:
        said = _reranked(voice, scores, views, allowed)
        failed = failed if said else (*failed, HYBRID)
    exhausted = not said and not scores.keys() & weights.keys()
    if exhausted:
        scores, weights = score_all(scorers, LAST_RESORT, views)[0], LAST_RESORT
    if not scores:
        scores = {"popular": np.zeros(len(allowed), np.float32)}
    return Ranked(_fused(scores, weights, allowed, voice, said), scores, allowed, failed, exhausted)


def demote(ranked: Ranked, catalogue: Catalogue, purpose: PagePolicy, just_bought: Rows, seen: Rows) -> Ranked:
    """Return the ranking with less of what this shopper needs least now.

    Who just bought milk needs no other milk: substitutes of `just_bought` (of the same category and close in the
    embedding space) keep the share `purpose.substitutes` of their score. Who looked at a product a moment ago knows
    it: what was `seen` keeps the share `purpose.seen`.
    """
    rows = ranked.fused.top(MOST_STEPPING_BACK)
    keep = np.where(_substitutes(catalogue, rows, just_bought), purpose.substitutes, 1.0)
    keep *= np.where(np.isin(rows, seen), purpose.seen, 1.0)
    fused = ranked.fused
    scores, parts = fused.scores.copy(), fused.parts.copy()
    scores[rows] *= keep.astype(np.float32)
    parts[:, np.searchsorted(fused.rows, rows)] *= keep.astype(np.float32)
    return replace(ranked, fused=replace(fused, scores=scores, parts=parts))


def diversify(ranked: Ranked, catalogue: Catalogue, purpose: PagePolicy, limit: int, spare: int) -> Rows:
    """Return up to `limit + spare` rows, best first, different from each other as the page's purpose says.

    What matches a search comes before all that does not. What nobody has an opinion of fills the list at its end.
    """
    pool = max(SMALLEST_POOL, POOL_PER_PLACE * (limit + spare))
    matching = ranked.scores[SEARCH] >= MATCHING if SEARCH in ranked.scores else None
    if matching is None or not matching.any():
        candidates = _diverse(ranked.fused, catalogue, purpose, pool)
    else:
        tiers = (matching, ~matching)
        parts = [replace(ranked.fused, scores=ranked.fused.scores * tier) for tier in tiers]
        candidates = np.concatenate([_diverse(part, catalogue, purpose, pool) for part in parts])
    spread = _spread(candidates, catalogue, purpose.category_share, limit)[: limit + spare]
    return spread if purpose.bought else _filled(spread, ranked.allowed, limit + spare)


def explain(ranked: Ranked, scorers: Mapping[str, Scorer], views: ShopperViews, row: int) -> Reason | None:
    """Return the reason of the algorithm that gave most, of the next where it has none; None where nobody has one."""
    for name in ranked.fused.contributions(row):
        try:
            reason = scorers[name].explain(views, row)
        except Exception:  # a recommendation is worth more than its reason: the next algorithm may have one
            log.exception("explanation failed", algorithm=name)
            FALLBACKS.labels("recommendation", f"explanation_failed:{name}").inc()
            continue
        if reason is not None:
            return _not_itself(reason, row)
    return None


def _reranked(
    voice: PageReranker, scores: Mapping[str, FloatArray], views: ShopperViews, allowed: Mask
) -> RerankResult | None:
    """Return the order of the hybrid; None when it fails."""
    try:
        return voice.speak(scores, views, allowed)
    except Exception:  # the weights fuse instead, and the response says so
        log.exception("the learned hybrid failed")
        return None


def _fused(
    scores: Mapping[str, FloatArray],
    weights: Mapping[str, float],
    allowed: Mask,
    voice: PageReranker | None,
    said: RerankResult | None,
) -> Fused:
    if voice is None or said is None:
        return fuse(scores, weights, allowed=allowed)
    voices = {**scores, HYBRID: said.scores(len(allowed))}
    return said.credited(fuse(voices, {**weights, HYBRID: voice.weight}, allowed=allowed))


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


def _finite(scores: FloatArray) -> FloatArray:
    if not np.isfinite(scores.sum()):
        raise ValueError("scores are not finite")
    return scores


def _filled(rows: Rows, allowed: Mask, most: int) -> Rows:
    if len(rows) >= most:
        return rows
    rest = np.setdiff1d(np.flatnonzero(allowed), rows)
    return np.concatenate([rows, rest[: most - len(rows)].astype(np.int32)])


def _diverse(fused: Fused, catalogue: Catalogue, purpose: PagePolicy, pool: int) -> Rows:
    rows = fused.top(pool)
    if purpose.trade_off == 1.0:
        return rows
    order = rerank(fused.scores[rows], catalogue.embeddings[rows], len(rows), purpose.trade_off)
    return rows[order]


def _spread(rows: Rows, catalogue: Catalogue, share: float, limit: int) -> Rows:
    """Move what exceeds a category's share of the list behind the others, and what has the name of one before it.

    To a shopper, two products of one name are the same product twice.
    """
    most = max(2, int(np.ceil(share * limit)))
    counts: dict[int, int] = {}
    names: set[str] = set()
    within: list[int] = []
    beyond: list[int] = []
    for row, category in zip(rows.tolist(), catalogue.category[rows].tolist(), strict=True):
        counts[category] = counts.get(category, 0) + 1
        repeated = catalogue.names[row] in names
        names.add(catalogue.names[row])
        (beyond if repeated or (category >= 0 and counts[category] > most) else within).append(row)
    return np.array(within + beyond, dtype=np.int32)
