"""The metrics that experiments are judged by, as ratios of sums over units."""

from dataclasses import dataclass
from enum import StrEnum

from services.feedback.experiments.unit_sums import UnitSums
from services.feedback.statistics.baseline import Baseline
from services.feedback.statistics.cuped import CupedMoments
from services.feedback.statistics.ratio import RatioMoments


class Metric(StrEnum):
    """As `ExperimentMetric` of the contract names them."""

    REVENUE_PER_SESSION = "revenue_per_session"
    CONVERSION_RATE = "conversion_rate"
    AVERAGE_ORDER_VALUE = "average_order_value"
    MARGIN_PER_SESSION = "margin_per_session"
    CLICK_THROUGH_RATE = "click_through_rate"
    ADD_TO_CART_RATE = "add_to_cart_rate"
    RECOMMENDATION_CONVERSION_RATE = "recommendation_conversion_rate"
    DISMISSAL_RATE = "dismissal_rate"
    REFUND_RATE = "refund_rate"


@dataclass(frozen=True)
class Definition:
    """Numerator / denominator, both of `MEASURES`; `money` is in minor units, `less_is_better` as of refunds."""

    numerator: str
    denominator: str
    money: bool = False
    less_is_better: bool = False
    proportion: bool = True


DEFINITIONS = {
    Metric.REVENUE_PER_SESSION: Definition("kept_revenue", "sessions", money=True, proportion=False),
    Metric.CONVERSION_RATE: Definition("buying_sessions", "sessions"),
    Metric.AVERAGE_ORDER_VALUE: Definition("kept_revenue", "orders", money=True, proportion=False),
    Metric.MARGIN_PER_SESSION: Definition("margin", "sessions", money=True, proportion=False),
    Metric.CLICK_THROUGH_RATE: Definition("clicked", "shown"),
    Metric.ADD_TO_CART_RATE: Definition("added_to_cart", "shown"),
    Metric.RECOMMENDATION_CONVERSION_RATE: Definition("purchased", "shown"),
    Metric.DISMISSAL_RATE: Definition("dismissed", "shown", less_is_better=True),
    Metric.REFUND_RATE: Definition("refunded", "revenue", less_is_better=True),
}


def ratio_of(metric: Metric, sums: UnitSums, arm: int) -> RatioMoments:
    """Return the moments of a metric over the units of an arm."""
    by = DEFINITIONS[metric]
    return RatioMoments.of(sums.column(by.denominator, arm), sums.column(by.numerator, arm))


def cuped_of(metric: Metric, sums: UnitSums, arm: int) -> CupedMoments:
    """Return the moments of a metric over the units of an arm, with those of the time before."""
    by = DEFINITIONS[metric]
    before = sums.column(by.denominator, arm, before=True)
    foreseen = sums.column(by.numerator, arm, before=True) * (before > 0)
    return CupedMoments.of(sums.column(by.denominator, arm), sums.column(by.numerator, arm), before, foreseen)


def baseline_of(metric: Metric, moments: RatioMoments) -> Baseline | None:
    """Return a metric as it is now, for planning; None where too little is known of it."""
    try:
        return Baseline.of(moments, maximum=1.0 if DEFINITIONS[metric].proportion else float("inf"))
    except ValueError:
        return None
