"""Converts the messages of the feedback service to plain values and back."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmContribution,
    AlgorithmPerformance,
    AlgorithmWeight,
    AttributionRule,
    Credit,
    CreditKind,
    LoggedList,
    RecommendationOutcome,
    RuleRevenue,
)

from services.feedback.attribution import PURCHASE
from services.feedback.metrics.performance import Performance
from services.feedback.outcome import ListOutcome, Outcome
from shared.algorithm_weights import checked_weights
from shared.attribution_rules import FIRST_TOUCH, LAST_TOUCH, LINEAR, POSITION, VIEW_THROUGH
from shared.db.outcomes import CREDIT, REFUNDED, StoredCredit
from shared.db.recommendation_items import ListItem
from shared.errors import InvalidArgument
from shared.events.check import check_id, check_number, check_text
from shared.experiments.messages import assignments
from shared.limits import MAX_REASON
from shared.request_ids import RequestKey
from shared.timestamps import to_timestamp

_CREDIT_KINDS = {
    PURCHASE: CreditKind.CREDIT_KIND_CLICK,
    VIEW_THROUGH: CreditKind.CREDIT_KIND_VIEW_THROUGH,
    CREDIT: CreditKind.CREDIT_KIND_CLICK,
    REFUNDED: CreditKind.CREDIT_KIND_REFUNDED,
}
_RULES = {
    LAST_TOUCH: AttributionRule.ATTRIBUTION_RULE_LAST_TOUCH,
    FIRST_TOUCH: AttributionRule.ATTRIBUTION_RULE_FIRST_TOUCH,
    LINEAR: AttributionRule.ATTRIBUTION_RULE_LINEAR,
    POSITION: AttributionRule.ATTRIBUTION_RULE_POSITION,
    VIEW_THROUGH: AttributionRule.ATTRIBUTION_RULE_VIEW_THROUGH,
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
    return checked_weights(request.weights, "weights")


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
        revenue=_by_currency(counts.revenue),
        revenue_by_rule=[
            RuleRevenue(rule=_RULES[rule], revenue=_by_currency(counts.revenue_by_rule[rule]))
            for rule in sorted(counts.revenue_by_rule, key=lambda rule: _RULES[rule])
        ],
        click_through_rate_low=performance.click_through_low,
        click_through_rate_high=performance.click_through_high,
    )


def _by_currency(amounts: Mapping[str, int]) -> list[Money]:
    return [Money(currency_code=code, amount_minor=amount) for code, amount in amounts.items()]


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
        alternative_credits=map(from_credit, outcome.alternative_credits),
        position=0 if outcome.item is None else outcome.item.position,
        contributions=[] if outcome.item is None else _contributions(outcome.item),
        click_grade=outcome.click_grade,
        dwell_seconds=outcome.dwell_seconds,
        purchased=logged.was_purchased,
        refunded=outcome.was_refunded,
        propensity=None if outcome.item is None else outcome.item.propensity,
    )


def from_list_outcome(found: ListOutcome) -> pb.GetAttributionResponse:
    """Return what came of a list as a message."""
    made = found.made
    arms = sorted(made.assignments.items())
    return pb.GetAttributionResponse(
        outcomes=map(from_outcome, found.outcomes),
        list=LoggedList(
            placement_id=made.placement_id,
            page_type=PageType.Value(f"PAGE_TYPE_{made.page_type}"),
            strategy=made.strategy,
            model_version=made.model_version,
            generate_time=to_timestamp(made.generated_at),
            arm=next((arm for _, arm in arms), ""),
            assignments=assignments(arms),
            variant_id="" if made.decision is None else made.decision.variant_id,
            variant_propensity=None if made.decision is None else made.decision.propensity,
        ),
    )


def _contributions(item: ListItem) -> list[AlgorithmContribution]:
    return [AlgorithmContribution(algorithm=name, contribution=part) for name, part in item.contributions.items()]


def from_credit(credit: StoredCredit) -> Credit:
    """Return a credit as a message."""
    return Credit(
        purchase_id=credit.purchase_id,
        kind=_CREDIT_KINDS[credit.kind],
        touch_time=to_timestamp(credit.touched_at),
        amount=_money(credit.amount, credit.currency),
        rule=_RULES[credit.rule],
        share=credit.share,
        margin=_money(credit.margin, credit.currency),
    )


def _money(amount: int | None, currency: str | None) -> Money | None:
    return None if amount is None or currency is None else Money(currency_code=currency, amount_minor=amount)


def from_weights(weights: Mapping[str, float]) -> list[AlgorithmWeight]:
    """Return weights as messages, largest first."""
    ordered = sorted(weights.items(), key=lambda item: (-item[1], item[0]))
    return [AlgorithmWeight(algorithm=name, weight=weight) for name, weight in ordered]
