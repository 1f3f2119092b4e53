"""The order of a list that the platform brings: its own order, moved by what suits the shopper.

The given order and that of the page's algorithms are fused by ranks (Cormack et al. 2009). The algorithms' share grows
with what is known of the shopper; of a shopper of whom nothing is known the list comes back as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Rows
from services.recommendation.request import Explanation, RankQuery
from services.recommendation.serving.choice import explanation_of
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import rank_allowed
from services.recommendation.serving.page_policy import STRENGTH_HALF, plan_ranking
from services.recommendation.serving.ranking import Ranked
from services.recommendation.serving.request_context import RequestContext
from shared.inventory import NOT_BUYABLE

GIVEN_ORDER = "given_order"
"""Strategy of a list that comes back as it is, and the algorithm of a product that none gave anything."""
RANK_CONSTANT = 60.0
"""What is added to ranks before their inverses are summed, as in the paper: the first places do not decide alone."""
MOST_EXPLAINED = 100
"""Products, the first of the answer, that get a reason and an id."""


@dataclass(frozen=True)
class PlacedProduct:
    """A product of the list: its place as it was given, from 0, and what was found; without a key it is unknown."""

    product_id: str
    given: int
    key: int | None = None
    score: float = 0.0
    contributions: Mapping[str, float] = field(default_factory=dict)
    explanation: Explanation | None = None

    @property
    def algorithm(self) -> str:
        """The algorithm that gave most."""
        return next(iter(self.contributions), GIVEN_ORDER)


@dataclass(frozen=True)
class RankedList:
    """The products in their new order, how it came about, and the algorithms that failed."""

    products: list[PlacedProduct]
    strategy: str = GIVEN_ORDER
    failed: tuple[str, ...] = ()

    @property
    def unknown(self) -> list[str]:
        """Ids that are not in the catalogue, in the given order."""
        unknown = (each for each in self.products if each.key is None)
        return [each.product_id for each in sorted(unknown, key=lambda each: each.given)]


@dataclass(frozen=True)
class RankAnswer:
    """A list as it is shown to one caller: number of the logged list, and the rest as in `Answer`."""

    ranked: RankedList
    number: int
    model_version: str
    fallbacks: tuple[str, ...]
    generated_at: datetime
    segment: str = ""


def rank_given(serving: ServingState, request: RequestContext, asked: RankQuery) -> RankedList:
    """Return the products of a list in the order that suits a shopper."""
    found = [serving.catalogue.row_of_id(each) for each in asked.product_ids]
    places = [place for place, row in enumerate(found) if row is not None]
    rows = np.array([row for row in found if row is not None], np.int32)
    ranked, strategy = _ranked(serving, request, asked, rows)
    shown = ranked.shown(rows) if ranked else [(0.0, {})] * len(rows)
    scores = np.array([score for score, _ in shown], np.float32)
    order = fused_order(scores, known_share(request.interaction_strength)) if ranked else np.arange(len(rows))
    known = [
        PlacedProduct(asked.product_ids[place], place, int(serving.catalogue.keys[row]), score, contributions)
        for place, row, (score, contributions) in zip(places, rows.tolist(), shown, strict=True)
    ]
    products = _in_places(asked.product_ids, places, [known[index] for index in order.tolist()])
    if asked.unavailable_last:
        gone = {asked.product_ids[place] for place in _unavailable(serving, places, rows)}
        products.sort(key=lambda each: each.product_id in gone)
    products = [_explained(each, serving, request) for each in products[:MOST_EXPLAINED]] + products[MOST_EXPLAINED:]
    return RankedList(products, strategy, ranked.failed if ranked else ())


def known_share(interaction_strength: float) -> float:
    """Return the share of the shopper's own order, 0 to below 1, by how much is known of them."""
    return interaction_strength / (interaction_strength + STRENGTH_HALF)


def fused_order(scores: FloatArray, share: float) -> NDArray[np.int64]:
    """Return the places of products in their new order.

    Parameters
    ----------
    scores : ndarray of shape (n,), float32
        What was found in favour of each, in the given order; 0 where nothing was.
    share : float
        Of the order by scores, 0 to 1; the rest is that of the given order.
    """
    given = np.arange(len(scores))
    by_score = np.empty(len(scores), np.int64)
    by_score[np.argsort(-scores, kind="stable")] = given
    value = share / (RANK_CONSTANT + by_score) + (1.0 - share) / (RANK_CONSTANT + given)
    return np.argsort(-value, kind="stable")


def _ranked(serving: ServingState, request: RequestContext, asked: RankQuery, rows: Rows) -> tuple[Ranked | None, str]:
    """Return the ranking of the list's products alone, and its strategy; None where nothing is known of the shopper."""
    if request.interaction_strength <= 0 or not len(rows):
        return None, GIVEN_ORDER
    plan = plan_ranking(asked.query.context.page, serving.weights, request.interaction_strength, serving.learned)
    plan = replace(plan, policy=replace(plan.policy, cold_every=0))
    allowed = np.zeros(len(serving.catalogue), np.bool_)
    allowed[rows] = True
    ranked = rank_allowed(serving, request, plan, allowed, len(rows))
    return (None, GIVEN_ORDER) if ranked.exhausted else (ranked, plan.strategy)


def _in_places(ids: Sequence[str], places: Sequence[int], known: Sequence[PlacedProduct]) -> list[PlacedProduct]:
    """Return the known products on the places that known ones had, and the others where they were."""
    products = [PlacedProduct(each, place) for place, each in enumerate(ids)]
    for place, product in zip(places, known, strict=True):
        products[place] = product
    return products


def _unavailable(serving: ServingState, places: Sequence[int], rows: Rows) -> list[int]:
    """Return the given places of the products that cannot be bought now."""
    gone = serving.catalogue.stock[rows] <= NOT_BUYABLE
    return [place for place, is_gone in zip(places, gone.tolist(), strict=True) if is_gone]


def _explained(product: PlacedProduct, serving: ServingState, request: RequestContext) -> PlacedProduct:
    if not product.contributions:
        return product
    row = serving.catalogue.row_of_id(product.product_id)
    if row is None:
        return product
    return replace(product, explanation=explanation_of(row, dict(product.contributions), serving, request))
