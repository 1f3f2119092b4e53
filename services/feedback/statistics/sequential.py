"""Tests and intervals that hold at every look at once, however often and whenever one looks.

The estimate of a difference moves like a Brownian motion as evidence grows. The hypothesis of no difference is tested
against a mixture of differences, normally distributed about 0. The likelihood ratio of the two is a martingale: the
probability that it ever reaches 1 / α is at most α. That gives a p-value and, by inversion, intervals all of which hold
the difference with probability 1 − α. They hold for large samples.

Evidence is measured as the share of what was planned: units / planned units, or, where units come back and the evidence
of each grows, (planned standard error / standard error)². The intervals are narrowest about the planned evidence, and
hold before and beyond it.

Sources: Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", Annals of Statistics 52 (2024), arXiv:2103.06476; Johari, Koomen, Pekelis & Walsh, "Always valid inference:
continuous monitoring of A/B tests", Operations Research 70 (2022), doi:10.1287/opre.2021.2135, for the p-value of the
mixture sequential probability ratio test
"""

from functools import cache

import numpy as np
from scipy.special import lambertw

from services.feedback.statistics.estimate import Estimate
from services.feedback.statistics.values import Floats, Values, plain

ALPHA = 0.05
"""Probability of ever finding a difference where there is none."""
LEAST_UNITS = 100
"""Units that each arm should have before a look counts, as all of this holds for large samples."""


@cache
def mixture_variance(alpha: float) -> float:
    """Return the variance of the mixture for which the boundary is lowest at the planned evidence.

    It is that of the effect, in squared standard errors at the planned evidence. Source: Waudby-Smith et al., equation
    of the optimal ρ² in their appendix.

    Raises
    ------
    ValueError
        If `alpha` is not between 0 and 1.
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha: must be between 0 and 1, got {alpha}")
    return float(-lambertw(-alpha * alpha * np.exp(-1), -1).real - 1)


def critical_value(evidence: Values, alpha: float = ALPHA) -> Values:
    """Return how many standard errors from 0 a difference must be at a look; infinite without evidence.

    Parameters
    ----------
    evidence : float or ndarray
        At the look, as a share of what was planned; not negative.
    alpha : float
        Probability of ever being as far from 0 without a difference.

    Raises
    ------
    ValueError
        If `alpha` is not between 0 and 1, or evidence is negative.
    """
    grown = _growth(evidence, alpha)
    with np.errstate(divide="ignore"):
        squared = grown / (grown - 1) * (np.log(grown) - 2 * np.log(alpha))
    return plain(np.sqrt(squared))


def always_valid_interval(estimate: Estimate, evidence: Values, alpha: float = ALPHA) -> tuple[Values, Values]:
    """Return the ends of the confidence sequence at a look.

    An error of 0 says that nothing varied yet: then, as without evidence, the interval is all numbers.

    Parameters
    ----------
    estimate : Estimate
        Of a difference, with its standard error at the look.
    evidence, alpha
        As of `critical_value`.
    """
    error = plain(np.where(np.greater(estimate.standard_error, 0), estimate.standard_error, np.inf))
    return Estimate(estimate.value, error, estimate.units).within(critical_value(evidence, alpha))


def always_valid_p(estimate: Estimate, evidence: Values, alpha: float = ALPHA) -> Values:
    """Return the p-value of no difference at a look. The smallest one of all looks so far is valid too.

    It is at most `alpha` exactly where the interval of `always_valid_interval` leaves out 0.

    Parameters
    ----------
    estimate, evidence
        As of `always_valid_interval`.
    alpha : float
        What the mixture is tuned for. The p-value may be compared with another level.
    """
    grown = _growth(evidence, alpha)
    exponent = (np.log(grown) - np.square(estimate.z()) * (1 - 1 / grown)) / 2
    return plain(np.exp(np.minimum(exponent, 0.0)))


def _growth(evidence: Values, alpha: float) -> Floats:
    """Return 1 + mixture variance · evidence."""
    shares = np.asarray(evidence, dtype=np.float64)
    if np.any(shares < 0):
        raise ValueError(f"evidence: must not be negative, got {shares.min()}")
    return 1 + mixture_variance(alpha) * shares
