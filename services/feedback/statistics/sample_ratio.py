"""Sample-ratio mismatch: do the arms have the shares of units that were set?

If not, units are lost or doubled in one arm, and no result of the experiment can be trusted. What to look for is in
Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019,
doi:10.1145/3292500.3330722
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln
from scipy.stats import chisquare

from services.feedback.statistics.values import Floats

ALARM_ALPHA = 0.001
"""Level of the alarm: it stops an experiment, so it should be right."""
CONCENTRATION = 100.0
"""Weight of the set shares in the prior of the sequential test: larger values find small mismatches sooner."""


def sample_ratio_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return the p-value of Pearson's χ² test of the counts. It holds for one look that was fixed before.

    Parameters
    ----------
    counts : sequence of int
        Units of each arm; the p-value is 1 without any.
    shares : sequence of float
        Of each arm as set, above 0; only their proportions matter.

    Raises
    ------
    ValueError
        If the numbers of arms differ or are less than two, a count is negative, or a share is not above 0.
    """
    counted, expected = _checked(counts, shares)
    total = counted.sum()
    return float(chisquare(counted, expected * total).pvalue) if total else 1.0


def always_valid_sample_ratio_p(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Return a p-value of the counts that may be computed after each unit, and compared with α every time.

    It is the inverse of the Bayes factor of a Dirichlet prior about the set shares against these shares, which is a
    martingale. The smallest one of all looks so far is valid too.

    Source: Lindon & Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS 2022, arXiv:2011.03567

    Parameters
    ----------
    counts, shares
        As of `sample_ratio_p`.

    Raises
    ------
    ValueError
        As `sample_ratio_p`.
    """
    counted, expected = _checked(counts, shares)
    prior = CONCENTRATION * expected
    of_counts = np.sum(gammaln(prior + counted) - gammaln(prior) - counted * np.log(expected))
    factor = gammaln(CONCENTRATION) - gammaln(CONCENTRATION + counted.sum()) + of_counts
    return float(np.exp(min(-factor, 0.0)))


def _checked(counts: Sequence[int], shares: Sequence[float]) -> tuple[Floats, Floats]:
    """Return the counts, and the shares with sum 1."""
    if len(counts) != len(shares) or len(counts) < 2:
        raise ValueError(f"counts: must be two or more, as many as shares, {len(shares)}, got {len(counts)}")
    if min(counts) < 0:
        raise ValueError(f"counts: must not be negative, got {min(counts)}")
    if not min(shares) > 0:
        raise ValueError(f"shares: must be above 0, got {min(shares)}")
    expected = np.asarray(shares, dtype=np.float64)
    return np.asarray(counts, dtype=np.float64), expected / expected.sum()
