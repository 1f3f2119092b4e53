"""The choice of a variant by Thompson sampling, with the exact probability of each.

A variant is chosen with the probability that it is the best one, by independent normal beliefs about what each earns:
P(k) = ∫ φ_k(t) Π_{j≠k} Φ_j(t) dt, computed by Gauss–Hermite quadrature over the belief about k. All variants share
`LEAST` equally, so that what is logged can judge every variant; and all but the one that seems best have at most
`most_explored` together. Source: Thompson, "On the likelihood that one unknown probability exceeds another in view of
the evidence of two samples", Biometrika 25 (1933), doi:10.1093/biomet/25.3-4.285
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtr

from shared.bandit.posterior import Floats

LEAST = 0.02
"""Of the probability, what all variants share equally whatever is believed."""
NODES = 40
"""Points of the quadrature."""
_POINTS, _HEIGHTS = np.polynomial.hermite_e.hermegauss(NODES)
_WEIGHTS: Floats = _HEIGHTS / _HEIGHTS.sum()
SMALLEST_DEVIATION = 1e-9


def best_probabilities(means: Floats, variances: Floats) -> Floats:
    """Return the probability that each variant is the best one, shape (k,), from beliefs of shape (k,)."""
    deviations = np.sqrt(np.maximum(variances, SMALLEST_DEVIATION**2))
    points = means[:, None] + deviations[:, None] * _POINTS[None, :]
    below = ndtr((points[:, :, None] - means[None, None, :]) / deviations[None, None, :])
    k = len(means)
    below[np.arange(k), :, np.arange(k)] = 1.0
    found: Floats = np.asarray(below.prod(axis=2) @ _WEIGHTS, np.float64)
    return np.asarray(found / found.sum())


def choice_probabilities(means: Floats, variances: Floats, most_explored: float) -> Floats:
    """Return the probability with which each variant is chosen, shape (k,), as said above.

    Of variants that seem equally good the first is the best one.
    """
    k, best = len(means), int(np.argmax(means))
    chances = (1.0 - LEAST) * best_probabilities(means, variances) + LEAST / k
    others = 1.0 - chances[best]
    if others > most_explored:
        chances *= most_explored / others
        chances[best] = 0.0
        chances[best] = 1.0 - chances.sum()
    return chances


def unknown_probabilities(k: int, most_explored: float) -> Floats:
    """Return the probabilities before anything is known: the first variant, and the others within the budget."""
    others = min(most_explored, (k - 1) / k)
    return np.array([1.0 - others, *([others / (k - 1)] * (k - 1))])


def drawn(chances: Sequence[float] | Floats, point: float) -> int:
    """Return the index that a uniform `point` from 0 to below 1 falls on."""
    return min(int(np.searchsorted(np.cumsum(chances), point, side="right")), len(chances) - 1)
