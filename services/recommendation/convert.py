"""Messages of the contract to plain values and back; a bad field raises InvalidArgument naming it."""

import json
from functools import cache

from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.job_pb2 import JobProgress
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmContribution,
    Reason,
    ReasonKind,
    Recommendation,
    RecommendationContext,
    RecommendationList,
)

from services.recommendation.request import (
    Answer,
    Choice,
    Explanation,
    PageContext,
    Pick,
    Query,
)
from services.recommendation.tuning.request import TuningRequest
from shared.algorithms import MOST_MINUTES, MOST_TRIALS
from shared.consent_messages import to_consent
from shared.db.models import ModelVersion
from shared.errors import InvalidArgument
from shared.events.check import check_id, check_number
from shared.events.page import filters_of, limit_of, page_of
from shared.events.recommend import check_recommend
from shared.jobs import Progress
from shared.recommendation_tokens import Shopper, TokenKeys, numbers_in


def to_query(request: pb.RecommendRequest) -> Query:
    """Return the request as a query. Raises InvalidArgument."""
    if not request.customer_id and not request.visitor_id:
        problem = "is required unless visitor_id is set"
        raise InvalidArgument.of("customer_id", "", problem, ErrorReason.FIELD_REQUIRED)
    check_id(request.customer_id, "customer_id", required=False)
    check_id(request.visitor_id, "visitor_id", required=False)
    check_recommend(request.context, request.filter, request.limit)
    return Query(
        customer_id=request.customer_id,
        visitor_id=request.visitor_id,
        context=to_context(request.context),
        limit=limit_of(request.limit),
        filters=filters_of(request.filter),
        consent=to_consent(request.consent, "consent"),
    )


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


def to_message(choice: Choice) -> bytes:
    """Return a choice in the wire format, a RecommendationList without what is each answer's own."""
    picks = [_recommendation(pick, position) for position, pick in enumerate(choice.picks, start=1)]
    return RecommendationList(recommendations=picks, strategy=choice.strategy).SerializeToString()


def to_response(answer: Answer, shopper: Shopper, tokens: TokenKeys) -> pb.RecommendResponse:
    """Return the answer to a shopper as a message; `tokens` make the recommendation ids."""
    response = RecommendationList.FromString(answer.page.message)
    ids = tokens.issue_all(numbers_in(answer.number, answer.page.items.count), shopper)
    for recommendation, id_ in zip(response.recommendations, ids, strict=True):
        recommendation.recommendation_id = id_
    response.model_version = answer.model_version
    response.fallbacks.extend(answer.fallbacks)
    response.generate_time.FromDatetime(answer.generated_at)
    return pb.RecommendResponse(list=response)


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


def to_progress(progress: Progress) -> JobProgress:
    """Return the progress of a job as a message."""
    result = "" if progress.result is None else json.dumps(progress.result)
    return JobProgress(stage=progress.stage, progress=progress.fraction, result_json=result)


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


def _recommendation(pick: Pick, position: int) -> Recommendation:
    parts = [AlgorithmContribution(algorithm=name, contribution=part) for name, part in pick.contributions.items()]
    return Recommendation(
        product_id=pick.product_id,
        product_name=pick.product_name,
        price=None if pick.price is None else Money(currency_code=pick.price.currency, amount_minor=pick.price.amount),
        image_url=pick.image_url,
        score=pick.score,
        algorithm=pick.algorithm,
        reason=_reason(pick.explanation),
        contributions=parts,
        category=pick.category,
        group_id=pick.group_id,
        position=position,
    )


@cache
def _reason_kind(kind: str) -> ReasonKind.ValueType:
    return ReasonKind.Value(f"REASON_KIND_{kind.upper()}")


def _reason(explanation: Explanation) -> Reason:
    return Reason(
        kind=_reason_kind(explanation.kind),
        product_ids=explanation.product_ids,
        group=explanation.group,
        text=explanation.text,
    )
