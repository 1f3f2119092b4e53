"""Messages of the contract to plain values and back; a bad field raises InvalidArgument naming it."""

from datetime import UTC, datetime
from functools import cache
from math import inf

from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.improvement_pb2 import ImprovementTrigger
from quintet.type.v1.model_pb2 import ModelMeasure
from quintet.type.v1.model_pb2 import ModelVersion as ModelVersionMessage
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmContribution,
    Reason,
    ReasonKind,
    Recommendation,
    RecommendationContext,
    RecommendationList,
)

from services.recommendation.models.versions import Quality
from services.recommendation.request import (
    Answer,
    Choice,
    Explanation,
    PageContext,
    Pick,
    Query,
)
from services.recommendation.tuning.request import TuningRequest
from shared import periods
from shared.algorithms import MOST_MINUTES, MOST_TRIALS
from shared.consent_messages import to_consent
from shared.db.improvement_runs import OPERATOR
from shared.db.metric_cells import day_of
from shared.db.models import ModelVersion
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_id, check_number, check_text
from shared.events.page import filters_of, limit_of, page_of
from shared.experiments.messages import name_arms
from shared.limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_PAGE_TOKEN
from shared.merchandising.merchandising import NO_MERCHANDISING, Merchandising
from shared.merchandising.placement import BUILT_IN
from shared.merchandising.request import fill_in, paged_list
from shared.page_tokens import key_of_token
from shared.recommendation_tokens import Shopper, TokenKeys, numbers_in
from shared.training_facts import to_trained_models


def to_query(request: pb.RecommendRequest, merchandising: Merchandising = NO_MERCHANDISING) -> Query:
    """Return the request as a query, with what its placement says filled in.

    Raises InvalidArgument, and NotFound for an unknown placement.
    """
    check_shopper(request)
    placement = fill_in(request, merchandising)
    return Query(
        customer_id=request.customer_id,
        visitor_id=request.visitor_id,
        context=to_context(request.context),
        limit=limit_of(request.limit),
        filters=filters_of(request.filter),
        stored_placement=None if placement is BUILT_IN.get(placement.placement_id) else placement,
        diversity=request.diversity if request.HasField("diversity") else None,
        page_token=request.page_token,
        paged=paged_list(request),
        consent=to_consent(request.consent, "consent"),
    )


def check_shopper(request: pb.RecommendRequest | pb.RankProductsRequest) -> None:
    """Raise InvalidArgument unless a request names a customer or a visitor."""
    if not request.customer_id and not request.visitor_id:
        problem = "is required unless visitor_id is set"
        raise InvalidArgument.of("customer_id", "", problem, ErrorReason.FIELD_REQUIRED)
    check_id(request.customer_id, "customer_id", required=False)
    check_id(request.visitor_id, "visitor_id", required=False)


def to_context(context: RecommendationContext) -> PageContext:
    """Return a checked context."""
    return PageContext(
        page=page_of(context),
        product_id=context.product_id,
        category=context.category,
        cart_product_ids=tuple(context.cart_product_ids),
        purchased_product_ids=tuple(context.purchased_product_ids),
        search_query=context.search_query,
        session_id=context.session_id,
        place_id=context.place_id,
    )


def to_message(choice: Choice, placement_id: str = "") -> bytes:
    """Return a choice in the wire format, a RecommendationList without what is each answer's own."""
    picks = [_recommendation(pick, position) for position, pick in enumerate(choice.picks, start=1)]
    answer = RecommendationList(recommendations=picks, strategy=choice.strategy, placement_id=placement_id)
    return answer.SerializeToString()


def to_response(answer: Answer, shopper: Shopper, tokens: TokenKeys) -> pb.RecommendResponse:
    """Return the answer to a shopper as a message; `tokens` make the recommendation ids."""
    response = RecommendationList.FromString(answer.page.message)
    ids = tokens.issue_all(numbers_in(answer.number, answer.page.items.count), shopper)
    for recommendation, id_ in zip(response.recommendations, ids, strict=True):
        recommendation.recommendation_id = id_
    response.model_version = answer.model_version
    response.fallbacks.extend(answer.fallbacks)
    response.segment = answer.segment
    response.attribution_token = tokens.issue_list(answer.number, len(ids), shopper)
    response.next_page_token = answer.next_page_token
    name_arms(response, answer.exposures)
    response.variant_id = answer.variant_id
    response.generate_time.FromDatetime(answer.generated_at)
    return pb.RecommendResponse(list=response)


def to_trigger(trigger: ImprovementTrigger.ValueType) -> str:
    """Return what triggered a training as its run records it: an operator by default. Raises InvalidArgument."""
    check_choice(trigger, "trigger", ImprovementTrigger.values(), "one of the triggers")
    return ImprovementTrigger.Name(trigger).removeprefix("IMPROVEMENT_TRIGGER_").lower() if trigger else OPERATOR


def to_drift_day(day: int) -> int:
    """Return the day of the drift that triggered a training, since 1970-01-01; 0 for none. Raises InvalidArgument."""
    check_number(day, "drift_day", 0, day_of(datetime.now(UTC)))
    return day


def to_span(request: pb.ReplayQuestionsRequest) -> tuple[datetime, datetime]:
    """Return start and end of a span. Raises InvalidArgument."""
    start, end = periods.asked(request)
    for name, moment in (("start_time", start), ("end_time", end)):
        if moment is None:
            raise InvalidArgument.of(name, "", "is required", ErrorReason.FIELD_REQUIRED)
    return periods.settled(start, end, datetime.now(UTC))


def to_tuning(request: pb.TuneAlgorithmsRequest) -> TuningRequest:
    """Return what is to be tuned. Raises InvalidArgument."""
    check_number(request.max_trials, "max_trials", 0, MOST_TRIALS)
    check_number(request.max_minutes, "max_minutes", 0, MOST_MINUTES)
    return TuningRequest(
        algorithms=tuple(request.algorithms),
        trials=request.max_trials,
        minutes=request.max_minutes,
        only_if_changed=request.only_if_changed,
    )


def to_version(version: ModelVersion) -> ModelVersionMessage:
    """Return a model version as a message."""
    message = ModelVersionMessage(
        version=version.version,
        active=version.active,
        checksum=version.checksum,
        size_bytes=version.size_bytes,
        training=to_trained_models(version.metadata),
        products=version.metadata.get("n_products", 0),
    )
    message.create_time.FromDatetime(version.created_at)
    return message


def to_models_page(request: pb.ListModelVersionsRequest) -> tuple[int, int]:
    """Return where a page of versions starts, in microseconds since 1970, and its size. Raises InvalidArgument."""
    check_number(request.page_size, "page_size", 0, inf)
    check_text(request.page_token, "page_token", MAX_PAGE_TOKEN)
    return key_of_token(request.page_token), min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def to_model_quality(quality: Quality) -> pb.GetModelQualityResponse:
    """Return the quality of a version as a message."""
    return pb.GetModelQualityResponse(
        model=to_version(quality.version),
        compared_version="" if quality.compared is None else quality.compared.version,
        measures=[
            ModelMeasure(context=each.context, metric=each.metric, value=each.value, compared_value=each.compared)
            for each in quality.measures
        ],
    )


def _recommendation(pick: Pick, position: int) -> Recommendation:
    parts = [AlgorithmContribution(algorithm=name, contribution=part) for name, part in pick.contributions.items()]
    return Recommendation(
        product_id=pick.product_id,
        product_name=pick.product_name,
        price=None if pick.price is None else Money(currency_code=pick.price.currency, amount_minor=pick.price.amount),
        image_url=pick.image_url,
        score=pick.score,
        algorithm=pick.algorithm,
        reason=to_reason(pick.explanation),
        contributions=parts,
        category=pick.category,
        group_id=pick.group_id,
        position=position,
        applied_rules=pick.rules,
        propensity=pick.propensity,
        explored=pick.explored,
    )


@cache
def _reason_kind(kind: str) -> ReasonKind.ValueType:
    return ReasonKind.Value(f"REASON_KIND_{kind.upper()}")


def to_reason(explanation: Explanation) -> Reason:
    """Return why a product is recommended as a message."""
    return Reason(
        kind=_reason_kind(explanation.kind),
        product_ids=explanation.product_ids,
        group=explanation.group,
        text=explanation.text,
    )
