"""Messages of the contract to plain values and back; a bad field raises InvalidArgument naming it."""

import json
from collections.abc import Sequence

from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.job_pb2 import JobProgress
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmContribution,
    Reason,
    ReasonKind,
    Recommendation,
    RecommendationContext,
    RecommendationFilter,
    RecommendationList,
)

from services.recommendation.request import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Answer,
    Context,
    Explanation,
    Filters,
    Page,
    Pick,
    Price,
    Query,
)
from shared.db.models import ModelVersion
from shared.errors import InvalidArgument
from shared.events.check import check_count, check_id, check_money, check_text
from shared.jobs import Progress

MAX_CONTEXT_PRODUCTS = 200
MAX_SEARCH = 500
MAX_CATEGORY = 200
MAX_CATEGORIES = 100
MAX_EXCLUDED = 1_000


def to_query(request: pb.RecommendRequest) -> Query:
    """Return the request as a query. Raises InvalidArgument."""
    if not request.customer_id and not request.visitor_id:
        raise InvalidArgument.of("customer_id", "", "is required unless visitor_id is set")
    check_id(request.customer_id, "customer_id", required=False)
    check_id(request.visitor_id, "visitor_id", required=False)
    if request.limit < 0:
        raise InvalidArgument.of("limit", request.limit, "must not be negative")
    return Query(
        customer_id=request.customer_id,
        visitor_id=request.visitor_id,
        context=to_context(request.context),
        limit=min(request.limit or DEFAULT_LIMIT, MAX_LIMIT),
        filters=to_filters(request.filter),
    )


def to_context(context: RecommendationContext) -> Context:
    """Return the context. Raises InvalidArgument."""
    page = to_page(context.page_type)
    check_id(context.product_id, "context.product_id", required=page is Page.PRODUCT)
    check_text(context.category, "context.category", MAX_CATEGORY, required=page is Page.CATEGORY)
    check_text(context.search_query, "context.search_query", MAX_SEARCH)
    check_id(context.session_id, "context.session_id", required=False)
    for name in ("cart_product_ids", "purchased_product_ids"):
        _check_ids(getattr(context, name), f"context.{name}", MAX_CONTEXT_PRODUCTS)
    return Context(
        page=page,
        product_id=context.product_id,
        category=context.category,
        cart_product_ids=tuple(context.cart_product_ids),
        purchased_product_ids=tuple(context.purchased_product_ids),
        search_query=context.search_query,
        session_id=context.session_id,
    )


def to_page(page_type: PageType.ValueType) -> Page:
    """Return the kind of page; UNSPECIFIED is HOME. Raises InvalidArgument for a number that is none."""
    if page_type not in PageType.values():
        raise InvalidArgument.of("context.page_type", page_type, "must be one of the page types")
    return Page(PageType.Name(page_type or PageType.PAGE_TYPE_HOME).removeprefix("PAGE_TYPE_"))


def to_filters(rule: RecommendationFilter) -> Filters:
    """Return the filter. Raises InvalidArgument."""
    check_count(rule.categories, "filter.categories", MAX_CATEGORIES)
    for index, category in enumerate(rule.categories):
        check_text(category, f"filter.categories[{index}]", MAX_CATEGORY, required=True)
    _check_ids(rule.exclude_product_ids, "filter.exclude_product_ids", MAX_EXCLUDED)
    low = _price(rule.min_price, "filter.min_price") if rule.HasField("min_price") else None
    high = _price(rule.max_price, "filter.max_price") if rule.HasField("max_price") else None
    _check_range(low, high)
    return Filters(
        categories=frozenset(rule.categories),
        min_price=low,
        max_price=high,
        exclude_product_ids=frozenset(rule.exclude_product_ids),
        in_stock_only=rule.in_stock_only,
    )


def to_response(answer: Answer) -> pb.RecommendResponse:
    """Return the answer as a message."""
    response = RecommendationList(
        recommendations=[_recommendation(pick, position) for position, pick in enumerate(answer.picks, start=1)],
        model_version=answer.model_version,
        strategy=answer.strategy,
        fallbacks=answer.fallbacks,
    )
    response.generate_time.FromDatetime(answer.generated_at)
    return pb.RecommendResponse(list=response)


def to_progress(progress: Progress) -> pb.TrainModelsResponse:
    """Return the progress of the training as a message."""
    result = "" if progress.result is None else json.dumps(progress.result)
    return pb.TrainModelsResponse(
        progress=JobProgress(stage=progress.stage, progress=progress.fraction, result_json=result)
    )


def to_version(version: ModelVersion) -> pb.ModelVersion:
    """Return a model version as a message."""
    message = pb.ModelVersion(
        version=version.version,
        active=version.active,
        checksum=version.checksum,
        size_bytes=version.size_bytes,
        metadata_json=json.dumps(version.metadata),
    )
    message.create_time.FromDatetime(version.created_at)
    return message


def _check_ids(ids: Sequence[str], field: str, most: int) -> None:
    check_count(ids, field, most)
    for index, each in enumerate(ids):
        check_id(each, f"{field}[{index}]")


def _price(money: Money, field: str) -> Price:
    check_money(money, field)
    return Price(money.amount_minor, money.currency_code)


def _check_range(low: Price | None, high: Price | None) -> None:
    if low is None or high is None:
        return
    if low.currency != high.currency:
        raise InvalidArgument.of(
            "filter.max_price.currency_code", high.currency, f"must be that of min_price, {low.currency}"
        )
    if low.amount > high.amount:
        raise InvalidArgument.of(
            "filter.max_price.amount_minor", high.amount, f"must not be below min_price, {low.amount}"
        )


def _recommendation(pick: Pick, position: int) -> Recommendation:
    parts = [AlgorithmContribution(algorithm=name, contribution=part) for name, part in pick.contributions.items()]
    return Recommendation(
        recommendation_id=str(pick.recommendation_id),
        product_id=pick.product_id,
        product_name=pick.product_name,
        price=None if pick.price is None else Money(currency_code=pick.price.currency, amount_minor=pick.price.amount),
        image_url=pick.image_url,
        score=pick.score,
        algorithm=pick.algorithm,
        reason=_reason(pick.explanation),
        contributions=parts,
        category=pick.category,
        position=position,
    )


def _reason(explanation: Explanation) -> Reason:
    return Reason(
        kind=ReasonKind.Value(f"REASON_KIND_{explanation.kind.upper()}"),
        product_ids=explanation.product_ids,
        group=explanation.group,
        text=explanation.text,
    )
