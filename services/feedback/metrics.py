"""Rates of an algorithm's recommendations, and how sure they are.

Which event sets which number:

| number | set by |
|---|---|
| generated | the recommendation itself, when it was made |
| shown | an `impression`, feedback SHOWN or DISMISS, and whatever counts as a click |
| clicked | any event that carries the `recommendation_id`, feedback CLICK or ADD_TO_CART |
| added_to_cart | feedback ADD_TO_CART, or `add_to_cart` of the product after a click within the window |
| purchased, revenue | `purchase` of the product after a click within the window; `refund` takes off |
| purchased_after_view | `purchase` of the product after an impression within the view window, without a click |

Every number counts recommendations, each once, in the period they were made in; so no rate exceeds 1.
"""

from dataclasses import dataclass
from math import sqrt

from shared.db.algorithm_performance import AlgorithmCounts

Z_95 = 1.959963984540054
"""Quantile of the standard normal distribution that leaves 2.5 % on each side."""


@dataclass(frozen=True)
class Performance:
    """Counts of one algorithm with the rates that follow from them, each a fraction of what was shown, 0 to 1.

    `click_through_low` and `click_through_high` are the ends of the 95 % Wilson interval.
    """

    counts: AlgorithmCounts
    click_through_rate: float
    add_to_cart_rate: float
    conversion_rate: float
    click_through_low: float
    click_through_high: float


def performance(counts: AlgorithmCounts) -> Performance:
    """Return the rates; 0 when nothing was shown."""
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
    """Return `part` / `whole`; 0 of nothing."""
    return part / whole if whole else 0.0


def wilson_interval(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """Return the score interval of a proportion; (0, 1) without trials.

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
    # The ends are exact at 0 and 1, where rounding would miss them by a hair.
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == trials else (centre + spread) / scale
    return low, high
