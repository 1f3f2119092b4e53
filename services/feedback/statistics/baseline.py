"""What is known of a metric before an experiment."""

from dataclasses import dataclass, replace
from math import inf

from services.feedback.statistics.ratio import RatioMoments


@dataclass(frozen=True)
class Baseline:
    """A metric as it is now.

    Parameters
    ----------
    mean : float
        The metric, above 0: a proportion, a mean over units, or a ratio.
    variance : float
        Of a unit, above 0: what the variance of the metric over n units is, times n; in squared units of the mean.
    maximum : float
        What the metric cannot exceed: 1 for a proportion.
    larger_amounts : bool
        How an effect changes the variance. False: there are more responses of the same kind, so the variance grows like
        that of a binomial count, near the mean where the maximum is far. True: each amount grows, so the standard
        deviation grows like the mean.

    Raises
    ------
    ValueError
        If mean or variance is not above 0, or the mean is not below the maximum.
    """

    mean: float
    variance: float
    maximum: float = inf
    larger_amounts: bool = False

    def __post_init__(self) -> None:
        for name in ("mean", "variance"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: must be above 0, got {getattr(self, name)}")
        if not self.mean < self.maximum:
            raise ValueError(f"mean: must be below {self.maximum:g}, got {self.mean}")

    @classmethod
    def of_proportion(cls, share: float) -> "Baseline":
        """Return the baseline of a metric that is 0 or 1 for each unit.

        Raises
        ------
        ValueError
            If `share` is not between 0 and 1.
        """
        if not 0 < share < 1:
            raise ValueError(f"share: must be between 0 and 1, got {share}")
        return cls(share, share * (1 - share), maximum=1.0)

    @classmethod
    def of(cls, moments: RatioMoments, *, maximum: float = inf, larger_amounts: bool = False) -> "Baseline":
        """Return the baseline of a ratio that was measured.

        Raises
        ------
        ValueError
            If the ratio or its variance is not above 0, or the ratio is not below the maximum.
        """
        return cls(float(moments.value), float(moments.unit_variance), maximum, larger_amounts)

    def reduced(self, explained: float) -> "Baseline":
        """Return the baseline after CUPED, whose covariate explains this share of the variance.

        Raises
        ------
        ValueError
            If `explained` is not from 0 to below 1.
        """
        if not 0 <= explained < 1:
            raise ValueError(f"explained: must be from 0 to below 1, got {explained}")
        return replace(self, variance=self.variance * (1 - explained))

    @property
    def largest_effect(self) -> float:
        """The relative effect with which the metric would be its maximum."""
        return self.maximum / self.mean - 1

    def treated_variance(self, effect: float) -> float:
        """Return the variance of a unit in an arm whose metric is `mean` · (1 + effect).

        Raises
        ------
        ValueError
            If the effect is not above −1 and below `largest_effect`.
        """
        if not -1 < effect < self.largest_effect:
            raise ValueError(f"effect: must be above -1 and below {self.largest_effect:g}, got {effect}")
        grown = 1 + effect
        if self.larger_amounts:
            return grown * grown * self.variance
        return grown * self.variance * (1 - grown * self.mean / self.maximum) / (1 - self.mean / self.maximum)
