"""The answer when the recommendation agent does not answer: best-sellers that keep every rule, and say what they are.

The best-sellers are in memory, so an answer needs no database. What the shopper bought, has in the cart or said no to
is read with a short time limit. When it cannot be read the answer says `shopper_not_read`: the rules that need no
shopper hold all the same, and a page of what was bought before is empty, because nothing is known to have been bought.

Answers are logged like other recommendations, so that clicks on them count too.
"""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from quintet.recommendation.v1.recommendation_service_pb2 import (
    BatchRecommendRequest,
    RankProductsRequest,
    RankProductsResponse,
    RecommendRequest,
)
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.placement_pb2 import RankedProduct
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmContribution,
    Reason,
    ReasonKind,
    Recommendation,
    RecommendationContext,
    RecommendationList,
)

from services.coordinator.best_sellers import BestSellerCache, BestSellers
from services.coordinator.shopper_reader import ShopperReader
from shared.consent import ALL_PERMITTED
from shared.db.product_offers import Offer
from shared.db.products import CatalogueEntry
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList
from shared.db.request_reads import ShopperProducts
from shared.errors import QuintetError, Unavailable
from shared.events.check import check_count
from shared.events.page import filters_of, page_of
from shared.events.recommend import context_products
from shared.experiments.decision import Exposure
from shared.experiments.experiment import Asker
from shared.experiments.meeting import meetings
from shared.experiments.messages import name_arms
from shared.filters.tree import Expression
from shared.limits import MAX_LISTS_OF_PAGE, MAX_RANKED
from shared.list_tokens import PagedList, next_token, shown_before
from shared.merchandising.filters import both, not_excluded
from shared.merchandising.merchandising import NO_MERCHANDISING
from shared.merchandising.placement import Placement
from shared.merchandising.request import fill_in, in_list, paged_list, single
from shared.merchandising.rule import Moment
from shared.page_rules import (
    ONLY_BOUGHT,
    Mask,
    NamedRows,
    PastRows,
    Rows,
    ShopperRows,
    allowed_on_page,
    one_of_each_group,
)
from shared.place_columns import price_at
from shared.recommendation_log import LOG_DROPPED, RecommendationLog
from shared.recommendation_tokens import UNCOUNTED, Shopper, TokenKeys, numbers_in
from shared.telemetry import EMPTY_ANSWERS, FALLBACKS

STRATEGY = "best_sellers"
UNAVAILABLE = "recommendation_agent_unavailable"
OVERLOADED = "recommendation_agent_overloaded"
SHOPPER_NOT_READ = "shopper_not_read"
"""What `fallbacks` says when the database did not say in time what the shopper bought, has in the cart or dismissed."""
MERCHANDISING_NOT_READ = "merchandising_not_read"
"""What `fallbacks` says when placements and rules were never read since the start: the database was away."""
GIVEN_ORDER = "given_order"
"""Strategy of a list that comes back in the order in which it was brought."""
PLACE_NOT_READ = "place_not_read"
"""What `fallbacks` says when the database did not say in time what the place of the request offers."""
ALGORITHM = "popular"
UNREAD = replace(ShopperProducts.nothing(), permissions=ALL_PERMITTED._replace(measure=False))
"""A shopper who was not read. Whether their lists may be logged is not known, so they are not."""


class Fallback:
    """Answers requests for recommendations with best-sellers."""

    def __init__(
        self, cache: BestSellerCache, reader: ShopperReader, log: RecommendationLog, tokens: TokenKeys
    ) -> None:
        self._cache = cache
        self._reader = reader
        self._log = log
        self._tokens = tokens

    async def answer(self, request: RecommendRequest, reason: str = UNAVAILABLE) -> RecommendationList:
        """Return best-sellers that the page may show.

        `reason` says in the answer why there are only best-sellers. Raises InvalidArgument for a request that breaks a
        rule of the contract; NotFound for an unknown customer or placement, or a product that the context names, as far
        as the database answers.
        """
        return (await self._answer(request, reason, ())).message

    async def answer_all(self, request: BatchRecommendRequest, reason: str = UNAVAILABLE) -> list[RecommendationList]:
        """Return the lists of one page as `answer` does; none shows what those before it show, unless it may."""
        check_count(request.requests, "requests", MAX_LISTS_OF_PAGE, least=1)
        answers: list[_Answered] = []
        for index, each in enumerate(request.requests):
            try:
                shown = tuple(key for before in answers for key in before.keys)
                answers.append(await self._answer(single(request, each), reason, shown))
            except QuintetError as error:
                raise in_list(error, index) from error
        return [each.message for each in answers]

    async def _answer(self, request: RecommendRequest, reason: str, beside: Sequence[int]) -> "_Answered":
        fallbacks = [reason]
        placed = self._placed(request, fallbacks)
        shown = shown_before(self._tokens, placed.paged, request.page_token)
        left_out = shown if placed.placement.allow_repeats else (*shown, *beside)
        best_sellers = self._cache.best_sellers
        shopper = await self._shopper(request, best_sellers, fallbacks)
        if page_of(request.context) in ONLY_BOUGHT:
            best_sellers = await self._bought(best_sellers, shopper, fallbacks)
        offers = await self._offers(request.context.place_id, best_sellers, fallbacks)
        demand = Demand(placed.expression, left_out)
        rows = shown_best_sellers(best_sellers, request, shopper, offers, demand)[: request.limit]
        answer = self._logged(
            request, placed.placement.placement_id, shopper, _as_offered(best_sellers, rows, offers), fallbacks
        )
        answer.placement_id = placed.placement.placement_id
        keys = tuple(best_sellers.entries[row].key for row in rows.tolist())
        if len(keys) == request.limit:
            answer.next_page_token = next_token(self._tokens, placed.paged, (*shown, *keys))
        for each in answer.fallbacks:
            FALLBACKS.labels("coordinator", each).inc()
        if not keys:
            EMPTY_ANSWERS.labels("coordinator").inc()
        return _Answered(answer, keys)

    def _placed(self, request: RecommendRequest, fallbacks: list[str]) -> "_Placed":
        """Fill in what the placement says; before merchandising was ever read, what the page itself does."""
        merchandising = self._cache.merchandising
        if merchandising is None:
            fallbacks.append(MERCHANDISING_NOT_READ)
            request.placement_id = ""
            merchandising = NO_MERCHANDISING
        placement = fill_in(request, merchandising)
        # The segments of the shopper are not read: what is excluded for some is left out for all.
        moment = Moment(placement.placement_id, placement.page, None, datetime.now(UTC))
        expression = both(placement.filter, not_excluded(merchandising.rules_at(moment)))
        return _Placed(placement, expression, paged_list(request))

    async def _shopper(
        self, request: RecommendRequest, best_sellers: BestSellers, fallbacks: list[str]
    ) -> ShopperProducts:
        named = [name for name, _ in context_products(request.context) if best_sellers.row_of_id(name) is not None]
        try:
            return await self._reader.read(request, named, groups=bool(best_sellers.groups.names))
        except Unavailable:
            fallbacks.append(SHOPPER_NOT_READ)
            return UNREAD

    async def _offers(self, place: str, best_sellers: BestSellers, fallbacks: list[str]) -> list[Offer]:
        """Return what a place offers of the best-sellers; nothing where it cannot be read."""
        if not place:
            return []
        try:
            return await self._reader.read_offers(place, list(best_sellers.rows_by_key))
        except Unavailable:
            fallbacks.append(PLACE_NOT_READ)
            return []

    async def _bought(self, best_sellers: BestSellers, shopper: ShopperProducts, fallbacks: list[str]) -> BestSellers:
        """Return what the shopper bought, the best-sellers among it first; of the rest only the database knows."""
        keys = np.unique(shopper.bought)
        try:
            others = await self._reader.read_products(keys[best_sellers.rows_of(keys) < 0])
        except Unavailable:
            others = []
            fallbacks.append(SHOPPER_NOT_READ)
        return best_sellers.among(_past(best_sellers, shopper).bought, others)

    def _exposures(self, request: RecommendRequest, placement_id: str, now: datetime) -> list[Exposure]:
        """Return the arms that the list belongs to: an arm that fails often must not lose the units that it fails."""
        merchandising = self._cache.merchandising or NO_MERCHANDISING
        asker = Asker(request.customer_id, request.visitor_id, request.context.session_id)
        return [each.exposure for each in meetings(merchandising.experiments, placement_id, asker, now)]

    def _logged(
        self,
        request: RecommendRequest,
        placed: str,
        shopper: ShopperProducts,
        chosen: Sequence[CatalogueEntry],
        fallbacks: list[str],
    ) -> RecommendationList:
        now = datetime.now(UTC)
        answer = RecommendationList(strategy=STRATEGY, fallbacks=fallbacks)
        answer.generate_time.FromDatetime(now)
        items, number = _items(chosen), UNCOUNTED
        if shopper.permissions.measure:
            number = self._log.take_number()
            page, request_id = page_of(request.context).value, uuid.uuid4().hex
            packed, placement = PackedItems.of(items), request.placement_id
            exposures = self._exposures(request, placed, now)
            name_arms(answer, exposures)
            new = NewList(
                number,
                request_id,
                shopper.key,
                page,
                now,
                packed,
                STRATEGY,
                placement_id=placement,
                exposures=exposures,
            )
            if not self._log.append(new):
                answer.fallbacks.append(LOG_DROPPED)
        who = Shopper(request.customer_id, request.visitor_id)
        ids = self._tokens.issue_all(numbers_in(number, len(items)), who)
        answer.attribution_token = self._tokens.issue_list(number, len(items), who)
        answer.recommendations.extend(map(_to_message, chosen, items, ids))
        return answer


@dataclass(frozen=True)
class _Answered:
    """An answer and the keys of its products."""

    message: RecommendationList
    keys: tuple[int, ...]


@dataclass(frozen=True)
class Demand:
    """What placement and rules demand of products, and the keys of products that are shown already."""

    expression: Expression | None = None
    left_out: tuple[int, ...] = ()


NO_DEMAND = Demand()


@dataclass(frozen=True)
class _Placed:
    """The placement of a request, what it and the rules demand of products, and the list that is paged."""

    placement: Placement
    expression: Expression | None
    paged: PagedList


def given_order(request: RankProductsRequest, reason: str) -> RankProductsResponse:
    """Return a list that a platform brings as it is, with `reason` for it."""
    check_count(request.product_ids, "product_ids", MAX_RANKED, least=1)
    FALLBACKS.labels("coordinator", reason).inc()
    limit = request.limit or len(request.product_ids)
    answer = RankProductsResponse(
        products=[
            RankedProduct(product_id=each, position=place, given_position=place)
            for place, each in enumerate(request.product_ids[:limit], start=1)
        ],
        strategy=GIVEN_ORDER,
        fallbacks=[reason],
    )
    answer.generate_time.FromDatetime(datetime.now(UTC))
    return answer


def shown_best_sellers(
    best_sellers: BestSellers,
    request: RecommendRequest,
    shopper: ShopperProducts,
    offers: Sequence[Offer] = (),
    demand: Demand = NO_DEMAND,
) -> Rows:
    """Return the rows of the best-sellers that the page of a checked request shows, best first, whatever its length.

    `offers` are those of the place of the request.
    """
    mask = allowed_best_sellers(best_sellers, request, shopper, offers, demand)
    allowed = np.flatnonzero(mask).astype(np.int32)
    if page_of(request.context) in ONLY_BOUGHT:
        return allowed
    return one_of_each_group(best_sellers.at(offers), allowed)


def allowed_best_sellers(
    best_sellers: BestSellers,
    request: RecommendRequest,
    shopper: ShopperProducts,
    offers: Sequence[Offer] = (),
    demand: Demand = NO_DEMAND,
) -> Mask:
    """Return which best-sellers the page of a checked request may show to a shopper, shape (n,), bool."""
    context, page = request.context, page_of(request.context)
    filters = filters_of(request.filter).on(page, context.category)
    apart = ShopperRows.of(_named(best_sellers, context), _past(best_sellers, shopper))
    apart = replace(apart, groups=_groups(best_sellers, context, shopper))
    shown = best_sellers.rows_of(np.array(demand.left_out, np.int64))
    apart = replace(apart, on_page=np.concatenate([apart.on_page, shown]))
    filters = replace(filters, expression=both(filters.expression, demand.expression))
    return allowed_on_page(best_sellers.at(offers), filters, apart, only_bought=page in ONLY_BOUGHT, now=time.time())


def _groups(best_sellers: BestSellers, context: RecommendationContext, shopper: ShopperProducts) -> Rows:
    """Return the groups of what is left out for the shopper's sake, also of what is no best-seller."""
    events = [recorded.event for recorded in shopper.pending]
    put_in = [item.product_id for event in events for item in event.add_to_cart.items]
    bought = [item.product_id for event in events for item in event.purchase.items]
    names = [context.product_id, *context.cart_product_ids, *context.purchased_product_ids, *bought]
    keys = [*shopper.bought.tolist(), *shopper.dismissed.tolist()]
    if not context.cart_product_ids:
        names, keys = [*names, *put_in], [*keys, *shopper.cart.tolist()]
    groups = [shopper.groups_by_id.get(each, "") for each in names]
    groups += [shopper.groups_by_key.get(each, "") for each in keys]
    return np.array([best_sellers.groups.of(each) for each in groups], np.int32)


def _as_offered(best_sellers: BestSellers, rows: Rows, offers: Sequence[Offer]) -> list[CatalogueEntry]:
    """Return what is shown of best-sellers, with the prices of a place."""
    columns, entries = best_sellers.at(offers), [best_sellers.entries[row] for row in rows.tolist()]
    prices = [price_at(columns, row) or (None, None) for row in rows.tolist()]
    return [
        entry._replace(price=amount, currency=currency)
        for entry, (amount, currency) in zip(entries, prices, strict=True)
    ]


def _named(best_sellers: BestSellers, context: RecommendationContext) -> NamedRows:
    return NamedRows(
        current=best_sellers.rows_of_ids([context.product_id] if context.product_id else []),
        cart=best_sellers.rows_of_ids(context.cart_product_ids),
        purchased=best_sellers.rows_of_ids(context.purchased_product_ids),
    )


def _past(best_sellers: BestSellers, shopper: ShopperProducts) -> PastRows:
    """Return what events left, with those that are not projected yet.

    What such an event takes out of the cart counts as in it still: what is left out too much for a moment breaks no
    rule.
    """
    events = [recorded.event for recorded in shopper.pending]
    put_in = best_sellers.rows_of_ids(item.product_id for event in events for item in event.add_to_cart.items)
    bought = best_sellers.rows_of_ids(item.product_id for event in events for item in event.purchase.items)
    return PastRows(
        cart=np.concatenate([best_sellers.rows_of(shopper.cart), put_in]),
        bought=np.concatenate([best_sellers.rows_of(shopper.bought), bought]),
        dismissed=best_sellers.rows_of(shopper.dismissed),
    )


def _items(chosen: Sequence[CatalogueEntry]) -> list[ListItem]:
    """Return products, best first, as they are logged."""
    scores = [_score(position, len(chosen)) for position in range(1, len(chosen) + 1)]
    return [
        ListItem(position, product.key, score, ALGORITHM, {ALGORITHM: score}, {"kind": "popular"})
        for position, (product, score) in enumerate(zip(chosen, scores, strict=True), 1)
    ]


def _score(position: int, count: int) -> float:
    return 1.0 - (position - 1) / count


def _to_message(product: CatalogueEntry, item: ListItem, recommendation_id: str) -> Recommendation:
    price = None
    if product.price is not None:
        price = Money(currency_code=product.currency or "", amount_minor=product.price)
    return Recommendation(
        recommendation_id=recommendation_id,
        product_id=product.external_id,
        product_name=product.name,
        price=price,
        image_url=product.image_url or "",
        score=item.score,
        algorithm=ALGORITHM,
        reason=Reason(kind=ReasonKind.REASON_KIND_POPULAR, text="Popular with everybody"),
        contributions=[AlgorithmContribution(algorithm=ALGORITHM, contribution=item.score)],
        category=product.category,
        group_id=product.group_id,
        position=item.position,
        propensity=1.0,
    )
