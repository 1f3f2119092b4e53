"""Rates of an algorithm's recommendations, and the confidence interval of the click-through rate.

The numbers and the events that set them:

| number | set by |
|---|---|
| generated | the recommendation itself, when it was made |
| shown | an `impression`, feedback SHOWN or DISMISS, and any event that counts as a click |
| clicked | any event that carries the `recommendation_id`, feedback CLICK or ADD_TO_CART |
| added_to_cart | feedback ADD_TO_CART, or `add_to_cart` of the product after a click within the window |
| purchased, revenue | `purchase` of the product after a click within the window; a `refund` reduces them |
| purchased_after_view | `purchase` of the product after an impression within the view window, without a click |

Every number but the revenue counts recommendations, each once, in the period in which they were made. So no rate
exceeds 1.
"""

from dataclasses import dataclass

from services.feedback.statistics.proportion import wilson_interval
from shared.db.algorithm_performance import AlgorithmCounts


@dataclass(frozen=True)
class Performance:
    """Counts of one algorithm, and its rates as fractions of the recommendations shown, 0 to 1.

    `click_through_low` and `click_through_high` are the ends of the 95 % Wilson interval of the click-through rate.
    """

    counts: AlgorithmCounts
    click_through_rate: float
    add_to_cart_rate: float
    conversion_rate: float
    click_through_low: float
    click_through_high: float


def performance(counts: AlgorithmCounts) -> Performance:
    """Return the rates of one algorithm; they are 0 if nothing was shown."""
    low, high = wilson_interval(counts.clicked, counts.shown)
    return Performance(
        counts=counts,
        click_through_rate=rate(counts.clicked, counts.shown),
        add_to_cart_rate=rate(counts.added_to_cart, counts.shown),
        conversion_rate=rate(counts.purchased, counts.shown),
        click_through_low=low,
        click_through_high=high,
    )


def rate(part: int, whole: int) -> float:
    """Return `part` / `whole`, or 0 if `whole` is 0."""
    return part / whole if whole else 0.0
