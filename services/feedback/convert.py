"""Converts the messages of the feedback service to plain values and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmPerformance,
    AlgorithmWeight,
    Credit,
    CreditKind,
    RecommendationOutcome,
)

from services.feedback.attribution import PURCHASE, VIEW_THROUGH
from services.feedback.metrics.performance import Performance
from services.feedback.outcome import Outcome
from shared.algorithms import ALGORITHM_NAMES
from shared.db.outcomes import REFUNDED, StoredCredit
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_count, check_id, check_number, check_text
from shared.limits import MAX_ALGORITHMS, MAX_REASON
from shared.request_ids import RequestKey
from shared.timestamps import to_timestamp

MOST_WEIGHT = 1e6
_CREDIT_KINDS = {
    PURCHASE: CreditKind.CREDIT_KIND_CLICK,
    VIEW_THROUGH: CreditKind.CREDIT_KIND_VIEW_THROUGH,
    REFUNDED: CreditKind.CREDIT_KIND_REFUNDED,
}


@dataclass(frozen=True)
class WeightsChange:
    """Weights to set; with `reset`, or without weights, they are to be computed."""

    weights: dict[str, float]
    reset: bool
    reason: str
    key: RequestKey | None


def to_sequence(request: pb.ApplyEventsRequest) -> int:
    """Return the sequence number up to which events are applied. Raises InvalidArgument if it is negative."""
    check_number(request.up_to_sequence, "up_to_sequence", 0, inf)
    return int(request.up_to_sequence)


def to_purchase_id(request: pb.GetAttributionRequest) -> str:
    """Return the id of the requested purchase. Raises InvalidArgument if it is not a valid id."""
    check_id(request.purchase_id, "purchase_id")
    return str(request.purchase_id)


def to_weights(request: pb.UpdateWeightsRequest) -> dict[str, float]:
    """Return weights by algorithm.

    Raises InvalidArgument if an algorithm is unknown or named twice, or if a weight is negative, above 1,000,000 or not
    a number.
    """
    weights: dict[str, float] = {}
    check_count(request.weights, "weights", MAX_ALGORITHMS)
    for index, each in enumerate(request.weights):
        field = f"weights[{index}]"
        check_choice(
            each.algorithm, f"{field}.algorithm", ALGORITHM_NAMES, f"one of {', '.join(sorted(ALGORITHM_NAMES))}"
        )
        if each.algorithm in weights:
            raise InvalidArgument.of(
                f"{field}.algorithm", each.algorithm, "must be named once", ErrorReason.DUPLICATE_ELEMENT
            )
        check_number(each.weight, f"{field}.weight", 0, MOST_WEIGHT)
        weights[each.algorithm] = each.weight
    return weights


def to_weights_change(request: pb.UpdateWeightsRequest) -> WeightsChange:
    """Return how the weights are to change. Raises InvalidArgument, also for a reset with weights."""
    check_text(request.reason, "reason", MAX_REASON)
    if request.reset and request.weights:
        raise InvalidArgument.of("reset", True, "must not come with weights")
    return WeightsChange(to_weights(request), request.reset, request.reason, RequestKey.of_message(request.request_key))


def from_performance(performance: Performance) -> AlgorithmPerformance:
    """Return an algorithm's performance as a message."""
    counts = performance.counts
    return AlgorithmPerformance(
        algorithm=counts.algorithm,
        generated=counts.generated,
        shown=counts.shown,
        clicked=counts.clicked,
        added_to_cart=counts.added_to_cart,
        purchased=counts.purchased,
        purchased_after_view=counts.purchased_after_view,
        click_through_rate=performance.click_through_rate,
        add_to_cart_rate=performance.add_to_cart_rate,
        conversion_rate=performance.conversion_rate,
        revenue=[Money(currency_code=code, amount_minor=amount) for code, amount in counts.revenue.items()],
        click_through_rate_low=performance.click_through_low,
        click_through_rate_high=performance.click_through_high,
    )


def from_outcome(outcome: Outcome) -> RecommendationOutcome:
    """Return what came of a recommendation as a message."""
    logged = outcome.recommendation
    return RecommendationOutcome(
        product_id=logged.product_id,
        algorithm=logged.algorithm,
        generate_time=to_timestamp(logged.generated_at),
        show_time=None if logged.shown_at is None else to_timestamp(logged.shown_at),
        click_time=None if logged.clicked_at is None else to_timestamp(logged.clicked_at),
        added_to_cart=logged.was_added_to_cart,
        dismissed=logged.was_dismissed,
        credits=map(from_credit, outcome.credits),
    )


def from_credit(credit: StoredCredit) -> Credit:
    """Return a credit as a message."""
    return Credit(
        purchase_id=credit.purchase_id,
        kind=_CREDIT_KINDS[credit.kind],
        touch_time=to_timestamp(credit.touched_at),
        amount=_money(credit.amount, credit.currency),
    )


def _money(amount: int | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money(currency_code=currency, amount_minor=amount)


def from_weights(weights: Mapping[str, float]) -> list[AlgorithmWeight]:
    """Return weights as messages, largest first."""
    ordered = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return [AlgorithmWeight(algorithm=name, weight=weight) for name, weight in ordered]
