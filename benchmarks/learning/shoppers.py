"""Made-up shoppers, whose responses are distributed as those of real ones: unequal, and with a heavy tail.

A shopper has 1 + a negative binomial number of sessions (mean 2.6, at most 12). Of what is counted in a session (lists
of ten products shown, or the session itself) a beta-binomial number is responded to: shoppers differ in how they
respond. Revenue is the sum of one log-normal amount an order (σ 1.1: one order in a hundred is 13 times the median).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, nbinom

from services.feedback.statistics.ratio import RatioMoments

Floats = NDArray[np.float64]
SESSIONS = np.arange(1, 13)
SESSION_SHAPE, SESSION_SHARE = 0.8, 1 / 3
SHOWN = 10
NEGLIGIBLE = 1e-7
AMOUNT_LOG_MEAN, AMOUNT_LOG_SPREAD = 3.6, 1.1
MANY = 1e12
"""So many units have the moments of the distribution itself."""


@dataclass(frozen=True)
class Shoppers:
    """The distribution of a unit's denominator and numerator.

    Parameters
    ----------
    x, responses : ndarray of shape (n_cells,), int
        Denominator, and number of responses.
    probability : ndarray of shape (n_cells,), float64
        Of each cell.
    amount : float
        What the log-normal amount of a response is multiplied by; 0 where responses themselves are counted.
    """

    x: NDArray[np.int64]
    responses: NDArray[np.int64]
    probability: Floats
    amount: float = 0.0

    def moments(self) -> RatioMoments:
        """Return the moments of very many units."""
        mean, second = self._amounts()
        y = self.responses * mean
        yy = y * y + self.responses * (second - mean * mean)
        means = [self.probability @ each for each in (self.x, y, self.x * self.x, self.x * y, yy)]
        return RatioMoments(MANY, *(MANY * float(each) for each in means))

    def units(self, rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Floats, Floats]:
        """Return denominator and numerator of as many units as the shape has."""
        cells = np.searchsorted(np.cumsum(self.probability)[:-1], rng.random(shape), side="right")
        x, responses = self.x[cells].astype(np.float64), self.responses[cells]
        return x, self.counted(rng, responses)

    def counted(self, rng: np.random.Generator, responses: NDArray[np.int64]) -> Floats:
        """Return the numerator of units with these numbers of responses, in their shape."""
        if not self.amount:
            return responses.astype(np.float64)
        unit = np.repeat(np.arange(responses.size), responses.ravel())
        totals = np.zeros(responses.size)
        np.add.at(totals, unit, self._drawn(rng, len(unit)))
        return totals.reshape(responses.shape)

    def sums(self, rng: np.random.Generator, sizes: NDArray[np.int64], runs: int) -> RatioMoments:
        """Return the moments of new units, arrays of shape (runs, n_looks), where `sizes` come between looks.

        How many units each cell has is drawn, in place of the units: the same distribution in less time.
        """
        counts = np.stack([rng.multinomial(size, self.probability, runs) for size in sizes], axis=1)
        x, responses = self.x.astype(np.float64), self.responses.astype(np.float64)
        if self.amount:
            y, xy, yy = self._revenue_sums(rng, counts)
        else:
            y, xy, yy = (counts @ each for each in (responses, x * responses, responses * responses))
        return RatioMoments(counts.sum(axis=2).astype(np.float64), counts @ x, y, counts @ (x * x), xy, yy)

    def _revenue_sums(self, rng: np.random.Generator, counts: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
        y, xy, yy = (np.zeros(counts.shape[:2]) for _ in range(3))
        for cell in np.flatnonzero(self.responses):
            here = counts[:, :, cell]
            of_unit = self._drawn(rng, (int(here.sum()), int(self.responses[cell]))).sum(axis=1)
            place = np.repeat(np.arange(here.size), here.ravel())
            total = np.bincount(place, of_unit, here.size).reshape(here.shape)
            y, xy = y + total, xy + self.x[cell] * total
            yy += np.bincount(place, of_unit * of_unit, here.size).reshape(here.shape)
        return y, xy, yy

    def _drawn(self, rng: np.random.Generator, shape: int | tuple[int, int]) -> Floats:
        return self.amount * rng.lognormal(AMOUNT_LOG_MEAN, AMOUNT_LOG_SPREAD, shape)

    def _amounts(self) -> tuple[float, float]:
        """Return mean and mean square of what a response counts."""
        if not self.amount:
            return 1.0, 1.0
        spread = AMOUNT_LOG_SPREAD**2
        return (
            self.amount * float(np.exp(AMOUNT_LOG_MEAN + spread / 2)),
            self.amount**2 * float(np.exp(2 * AMOUNT_LOG_MEAN + 2 * spread)),
        )


def responding(rate: float, alike: float, *, shown: int = 1, amount: float = 0.0) -> Shoppers:
    """Return shoppers who respond to this share of what is shown.

    Parameters
    ----------
    rate : float
        Mean share, 0 to 1.
    alike : float
        How alike shoppers are: the sum of the parameters of the beta distribution of their shares.
    shown : int
        What is counted in a session.
    amount : float
        As of `Shoppers`.
    """
    sessions = nbinom.pmf(SESSIONS - 1, SESSION_SHAPE, SESSION_SHARE)
    cells = [
        (shown * count, k, p) for count, p in zip(SESSIONS, sessions, strict=True) for k in range(shown * count + 1)
    ]
    x, responses, of_sessions = (np.array(each) for each in zip(*cells, strict=True))
    probability = of_sessions * betabinom.pmf(responses, x, alike * rate, alike * (1 - rate))
    kept = probability > NEGLIGIBLE
    return Shoppers(x[kept], responses[kept], probability[kept] / probability[kept].sum(), amount)


def clicking(rate: float = 0.05) -> Shoppers:
    """Return shoppers for the click-through rate, by products shown."""
    return responding(rate, alike=10.0, shown=SHOWN)


def buying(rate: float = 0.03, amount: float = 1.0) -> Shoppers:
    """Return shoppers for revenue per session."""
    return responding(rate, alike=20.0, amount=amount)
