"""The answer when the recommendation agent does not answer: best-sellers that keep every rule, and say what they are.

They are logged like other recommendations, so that clicks on them count too.
"""

import uuid
from datetime import UTC, datetime, timedelta

from quintet.recommendation.v1.recommendation_service_pb2 import RecommendRequest
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmContribution,
    Reason,
    ReasonKind,
    Recommendation,
    RecommendationFilter,
    RecommendationList,
)

from shared.db import customers, product_performance, products, recommendations, request_reads
from shared.db.engine import Connection, Database
from shared.db.products import Product
from shared.db.recommendations import NewRecommendation
from shared.errors import NotFound
from shared.recommendation_log import LOG_DROPPED, RecommendationLog
from shared.recommendation_tokens import Shopper, TokenKeys

STRATEGY = "best_sellers"
UNAVAILABLE = "recommendation_agent_unavailable"
OVERLOADED = "recommendation_agent_overloaded"
ALGORITHM = "popular"
CANDIDATES = 500
PERIOD = timedelta(days=30)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DEFAULT_LIMIT, MOST_LIMIT = 10, 100


class BestSellers:
    """Answers requests for recommendations from the database alone."""

    def __init__(self, database: Database, log: RecommendationLog, tokens: TokenKeys) -> None:
        self._database = database
        self._log = log
        self._tokens = tokens
        self._keys: list[int] = []

    def count(self) -> None:
        """Count the best-sellers of the last 30 days; of all time on a quiet shop. Takes seconds on a large one."""
        now = datetime.now(UTC)
        with self._database.read() as connection:
            popular = product_performance.popular_products(connection, now - PERIOD, now, CANDIDATES)
            if not popular:
                popular = product_performance.popular_products(connection, EPOCH, now, CANDIDATES)
        self._keys = [each.key for each in popular]

    def answer(self, request: RecommendRequest, reason: str = UNAVAILABLE) -> RecommendationList:
        """Return best-sellers that the customer has not bought and the filter allows. Raises NotFound.

        `reason` says in the answer why there are only best-sellers.
        """
        if not self._keys:  # not counted yet, or there was nothing to count: the shop may have been filled since
            self.count()
        keys = self._keys
        with self._database.read() as connection:
            customer = _customer(connection, request)
            candidates = products.get_products_by_key(connection, keys)
            seen = _unwanted(connection, customer) if customer is not None else set()
        ranked = [candidates[key] for key in keys if key in candidates and key not in seen]
        allowed = [product for product in ranked if _allows(request, product)]
        return self._logged(request, customer, allowed[: min(request.limit or DEFAULT_LIMIT, MOST_LIMIT)], reason)

    def _logged(
        self, request: RecommendRequest, customer: int | None, chosen: list[Product], fallback: str
    ) -> RecommendationList:
        now = datetime.now(UTC)
        answer = RecommendationList(strategy=STRATEGY, fallbacks=[fallback])
        answer.generate_time.FromDatetime(now)
        if not chosen:
            return answer
        page = PageType.Name(request.context.page_type or PageType.PAGE_TYPE_HOME).removeprefix("PAGE_TYPE_")
        request_id = uuid.uuid4().hex
        numbers = self._log.take_numbers(len(chosen))
        rows = [
            NewRecommendation(
                recommendation_id=number,
                request_id=request_id,
                customer_key=customer,
                product_key=product.key,
                position=position,
                score=_score(position, len(chosen)),
                algorithm=ALGORITHM,
                page_type=page,
                generated_at=now,
                contributions={ALGORITHM: _score(position, len(chosen))},
                reason={"kind": "popular"},
                strategy=STRATEGY,
            )
            for position, (product, number) in enumerate(zip(chosen, numbers, strict=True), 1)
        ]
        if not self._log.append(rows):
            answer.fallbacks.append(LOG_DROPPED)
        shopper = Shopper(request.customer_id, request.visitor_id)
        answer.recommendations.extend(
            _to_message(product, row, self._tokens.issue(row.recommendation_id, shopper))
            for product, row in zip(chosen, rows, strict=True)
        )
        return answer


def _customer(connection: Connection, request: RecommendRequest) -> int | None:
    if request.customer_id:
        key = customers.resolve_customers(connection, [request.customer_id]).get(request.customer_id)
        if key is None:
            raise NotFound.of("customer", request.customer_id, "customer_id")
        return key
    return customers.known_visitors(connection, [request.visitor_id]).get(request.visitor_id)


def _unwanted(connection: Connection, customer: int) -> set[int]:
    """Return what the customer bought or said no to: best-sellers are for discovery."""
    return set(request_reads.bought_products(connection, customer).tolist()) | recommendations.dismissed_products(
        connection, customer
    )


def _allows(request: RecommendRequest, product: Product) -> bool:
    rule = request.filter
    context = request.context
    here = {context.product_id, *context.cart_product_ids, *context.purchased_product_ids, *rule.exclude_product_ids}
    if product.external_id in here or not product.recommendable or not product.buyable:
        return False
    if rule.in_stock_only and product.inventory_status != "IN_STOCK":
        return False
    return _category_allowed(request, product) and _price_allowed(rule, product)


def _category_allowed(request: RecommendRequest, product: Product) -> bool:
    wanted, page = request.filter.categories, request.context.category
    return (not wanted or product.category in wanted) and (not page or product.category == page)


def _price_allowed(rule: RecommendationFilter, product: Product) -> bool:
    for bound, sign in ((rule.min_price, 1), (rule.max_price, -1)):
        if not bound.currency_code:
            continue
        if product.price is None or product.currency != bound.currency_code:
            return False
        if sign * product.price < sign * bound.amount_minor:
            return False
    return True


def _score(position: int, count: int) -> float:
    return 1.0 - (position - 1) / max(count, 1)


def _to_message(product: Product, row: NewRecommendation, recommendation_id: str) -> Recommendation:
    price = None
    if product.price is not None:
        price = Money(currency_code=product.currency or "", amount_minor=product.price)
    return Recommendation(
        recommendation_id=recommendation_id,
        product_id=product.external_id,
        product_name=product.name,
        price=price,
        image_url=product.image_urls[0] if product.image_urls else "",
        score=row.score,
        algorithm=ALGORITHM,
        reason=Reason(kind=ReasonKind.REASON_KIND_POPULAR, text="Popular with everybody"),
        contributions=[AlgorithmContribution(algorithm=ALGORITHM, contribution=row.score)],
        category=product.category,
        position=row.position,
    )
