"""The probability that a Brownian motion crosses a boundary: what the power of a sequential test is."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from services.feedback.statistics.sequential import critical_value
from services.feedback.statistics.values import Floats

NODES = 160
"""Points of the quadrature between the boundaries; 320 change no probability by 1e-6 up to `MOST_LOOKS`."""
MOST_LOOKS = 400
"""Beyond, the points would be too far apart for a step; the power differs little from that of continuous looking."""
CONTINUOUS_STEPS = 200
"""Steps in which continuous looking is computed."""


@dataclass(frozen=True)
class Surviving:
    """Where a Brownian motion without drift is at time 1 if it has crossed no boundary: a density by quadrature.

    Parameters
    ----------
    points : ndarray of shape (n,), float64
        Places between the boundaries at time 1.
    masses : ndarray of shape (n,), float64
        Probability of being there, uncrossed; they sum to the probability of no crossing.
    """

    points: Floats
    masses: Floats

    def crossing(self, drift: float) -> float:
        """Return the probability of a crossing by time 1 with a drift, which is the mean at time 1.

        By Girsanov's theorem the drift weighs each end x by exp(drift · x − drift² / 2) and changes nothing else.
        """
        weights = np.exp(drift * self.points - drift * drift / 2)
        return float(np.clip(1 - weights @ self.masses, 0.0, 1.0))


def surviving(boundary: Floats, *, between: bool = False) -> Surviving:
    """Return where a Brownian motion is at time 1 that was within ± boundary at each of n times.

    The density is carried from look to look by quadrature. Source: Armitage, McPherson & Rowe, "Repeated significance
    tests on accumulating data", JRSS A 132 (1969), doi:10.2307/2343787

    Parameters
    ----------
    boundary : ndarray of shape (n,), float64
        Above 0, at the times 1/n, 2/n, …, 1.
    between : bool
        Whether crossings between these times count too. The boundary is taken as linear there, and the crossing of a
        Brownian bridge has a closed form: Wang & Pötzelberger, "Boundary crossing probability for Brownian motion and
        general boundaries", Journal of Applied Probability 34 (1997), doi:10.2307/3215174
    """
    step = 1 / len(boundary)
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    points, masses, before = np.zeros(1), np.ones(1), float(boundary[0])
    for bound in boundary:
        ends = bound * nodes
        density = _carried(points, masses, ends, step, (before, float(bound)) if between else None)
        points, masses, before = ends, density * bound * weights, float(bound)
    return Surviving(points, masses)


def _carried(points: Floats, masses: Floats, ends: Floats, step: float, bounds: tuple[float, float] | None) -> Floats:
    """Return the density at `ends` a step later; with bounds at its begin and end, of what has not crossed them."""
    kernel = np.exp(-np.square(ends[:, None] - points) / (2 * step)) / np.sqrt(2 * np.pi * step)
    if bounds is not None:
        for side in (1, -1):
            room = (bounds[1] - side * ends[:, None]) * (bounds[0] - side * points)
            kernel *= 1 - np.exp(-2 * room / step)
    density: Floats = kernel @ masses
    return density


@cache
def surviving_sequential(alpha: float, looks: int | None) -> Surviving:
    """Return the `surviving` of the always-valid test up to its planned evidence.

    Parameters
    ----------
    alpha : float
        As of `critical_value`.
    looks : int, optional
        Number of looks, after equal shares of the evidence; None for looking all the time.

    Raises
    ------
    ValueError
        If `looks` is not from 1 to `MOST_LOOKS`.
    """
    if looks is not None and not 1 <= looks <= MOST_LOOKS:
        raise ValueError(f"looks: must be from 1 to {MOST_LOOKS}, got {looks}")
    steps = CONTINUOUS_STEPS if looks is None else looks
    times = np.arange(1, steps + 1) / steps
    return surviving(np.sqrt(times) * critical_value(times, alpha), between=looks is None)
