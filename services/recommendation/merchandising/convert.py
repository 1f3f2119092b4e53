"""Messages about merchandising and lists of several placements as plain values and back."""

from collections.abc import Sequence

from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import (
    PlacementPreview,
    PreviewExample,
    PreviewItem,
    RankedProduct,
    RulesPreview,
)

from services.recommendation.convert import check_shopper, to_context, to_query, to_reason
from services.recommendation.merchandising.preview import MOST_PLACEMENTS, Example, Preview, PreviewRequest
from services.recommendation.request import Query, RankQuery
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.given_list import MOST_EXPLAINED, PlacedProduct, RankAnswer
from shared.consent_messages import to_consent
from shared.errors import InvalidArgument, QuintetError
from shared.events.check import check_count, check_id, check_number
from shared.events.recommend import check_context
from shared.limits import (
    DEFAULT_PREVIEW_DAYS,
    DEFAULT_PREVIEW_LISTS,
    DEFAULT_PREVIEW_SECONDS,
    MAX_LISTS_OF_PAGE,
    MAX_PREVIEW_DAYS,
    MAX_PREVIEW_LISTS,
    MAX_PREVIEW_SECONDS,
    MAX_PREVIEWED_RULES,
    MAX_RANKED,
)
from shared.merchandising.convert import to_rule
from shared.merchandising.merchandising import Merchandising
from shared.merchandising.request import in_list, single
from shared.page_rules import MAX_LIMIT
from shared.recommendation_tokens import Shopper, TokenKeys, number_at
from shared.timestamps import to_timestamp


def to_queries(request: pb.BatchRecommendRequest, merchandising: Merchandising) -> list[Query]:
    """Return the lists of one page as queries. Raises InvalidArgument, and NotFound for an unknown placement."""
    check_count(request.requests, "requests", MAX_LISTS_OF_PAGE, least=1)
    check_context(request.context, "context")
    queries = []
    for index, each in enumerate(request.requests):
        try:
            queries.append(to_query(single(request, each), merchandising))
        except QuintetError as error:
            raise in_list(error, index) from error
    return queries


def to_rank_query(request: pb.RankProductsRequest) -> RankQuery:
    """Return a list to be ordered. Raises InvalidArgument."""
    check_shopper(request)
    check_count(request.product_ids, "product_ids", MAX_RANKED, least=1)
    seen: set[str] = set()
    for index, product_id in enumerate(request.product_ids):
        check_id(product_id, f"product_ids[{index}]")
        if product_id in seen:
            problem = "must be given once only"
            raise InvalidArgument.of(f"product_ids[{index}]", product_id, problem, ErrorReason.DUPLICATE_ELEMENT)
        seen.add(product_id)
    check_number(request.limit, "limit", 0, float("inf"))
    if request.context.page_type == PageType.PAGE_TYPE_UNSPECIFIED:
        request.context.page_type = PageType.PAGE_TYPE_CATEGORY
    check_context(request.context, "context", category_required=False)
    consent = to_consent(request.consent, "consent")
    query = Query(request.customer_id, request.visitor_id, to_context(request.context), MAX_LIMIT, consent=consent)
    return RankQuery(query, tuple(request.product_ids), request.limit or MAX_RANKED, request.unavailable_last)


def to_rank_response(answer: RankAnswer, limit: int, shopper: Shopper, tokens: TokenKeys) -> pb.RankProductsResponse:
    """Return an ordered list as a message; `tokens` make the recommendation ids."""
    response = pb.RankProductsResponse(
        products=[_ranked(each, place) for place, each in enumerate(answer.ranked.products[:limit], start=1)],
        unknown_product_ids=answer.ranked.unknown,
        model_version=answer.model_version,
        strategy=answer.ranked.strategy,
        fallbacks=answer.fallbacks,
        generate_time=to_timestamp(answer.generated_at),
        segment=answer.segment,
    )
    known = [
        message
        for message, each in zip(response.products[:MOST_EXPLAINED], answer.ranked.products, strict=False)
        if each.key is not None
    ]
    numbers = [number_at(answer.number, message.position) for message in known]
    for message, token in zip(known, tokens.issue_all(numbers, shopper), strict=True):
        message.recommendation_id = token
    return response


def to_preview_request(request: pb.PreviewRulesRequest) -> PreviewRequest:
    """Return what to preview. Raises InvalidArgument."""
    check_count(request.rules, "rules", MAX_PREVIEWED_RULES, least=1)
    check_number(request.days, "days", 0, MAX_PREVIEW_DAYS)
    check_number(request.max_lists, "max_lists", 0, MAX_PREVIEW_LISTS)
    check_number(request.max_seconds, "max_seconds", 0, MAX_PREVIEW_SECONDS)
    rules = tuple(to_rule(rule, f"rules[{index}]") for index, rule in enumerate(request.rules))
    return PreviewRequest(
        rules,
        request.days or DEFAULT_PREVIEW_DAYS,
        request.max_lists or DEFAULT_PREVIEW_LISTS,
        request.max_seconds or DEFAULT_PREVIEW_SECONDS,
    )


def to_preview(preview: Preview, catalogue: Catalogue) -> pb.PreviewRulesResponse:
    """Return what rules would have changed as a message; the preview names rows of the catalogue."""
    tallies = sorted(preview.placements.items(), key=lambda each: (-each[1].changed, each[0]))
    message = RulesPreview(
        lists=sum(tally.lists for _, tally in tallies),
        changed=sum(tally.changed for _, tally in tallies),
        placements=[PlacementPreview(placement_id=name, **vars(tally)) for name, tally in tallies[:MOST_PLACEMENTS]],
        examples=[_example(each, catalogue) for each in preview.examples],
        incomplete=preview.incomplete,
    )
    return pb.PreviewRulesResponse(preview=message)


def _example(example: Example, catalogue: Catalogue) -> PreviewExample:
    def ids(rows: Sequence[int]) -> list[str]:
        return [catalogue.external_ids[row] for row in rows]

    touched = (example.touched.get(row, ()) for row in example.after)
    return PreviewExample(
        placement_id=example.placement_id,
        show_time=to_timestamp(example.at),
        before=ids(example.before),
        after=[
            PreviewItem(product_id=name, applied_rules=rules)
            for name, rules in zip(ids(example.after), touched, strict=True)
        ],
    )


def _ranked(product: PlacedProduct, position: int) -> RankedProduct:
    return RankedProduct(
        product_id=product.product_id,
        position=position,
        given_position=product.given + 1,
        score=product.score,
        reason=None if product.explanation is None else to_reason(product.explanation),
    )
