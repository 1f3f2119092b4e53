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
from math import sqrt

from shared.db.algorithm_performance import AlgorithmCounts

Z_95 = 1.959963984540054
"""Quantile of the standard normal distribution that leaves 2.5 % on each side."""


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


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, low and high end; (0, 1) without trials.

    `z` is the quantile of the standard normal distribution, by default that of the 95 % interval.

    Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927),
    doi:10.1080/01621459.1927.10502953

    Raises
    ------
    ValueError
        If `successes` is not between 0 and `trials`.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"successes: must be from 0 to {trials}, got {successes}")
    if not trials:
        return 0.0, 1.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    scale = 1 + z * z / trials
    # Without these cases rounding errors would make the ends differ slightly from exactly 0 and 1.
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == trials else (centre + spread) / scale
    return low, high
