"""Drift of quality: whether the live model answers a day's questions worse than those of the looks before.

What is compared is how much better the model is than best-sellers on the same questions, by the difference of each
question: a day of easy questions is easy for both. The looks differ by chance, each by its standard error, and by what
days differ beyond that; the larger of the two spreads counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm
from scipy.stats import t as student

LEAST_QUESTIONS = 100
"""Questions of a look, below which it says nothing."""
FEW_LOOKS = 5
"""Earlier looks, below which their own spread is not known well enough to be used."""


@dataclass(frozen=True)
class Look:
    """A replay of a day's questions.

    Parameters
    ----------
    questions : int
    quality : float
        Mean NDCG at 20 of the model.
    gain : float
        Mean by which it is above that of best-sellers on the same questions.
    standard_error : float
        Of the gain, over customers.
    """

    questions: int
    quality: float
    gain: float
    standard_error: float


@dataclass(frozen=True)
class QualityChange:
    """The gain over best-sellers on a day, and before; `p_value` is one-sided, of no loss."""

    gain: float
    before: float
    p_value: float

    @property
    def relative(self) -> float:
        """The change as a share of the gain before; 0 where there was none."""
        return self.gain / self.before - 1 if self.before > 0 else 0.0


def quality_change(earlier: Sequence[Look], now: Look) -> QualityChange | None:
    """Return how the model's gain differs from that of earlier looks; None where too few questions were asked.

    Parameters
    ----------
    earlier : sequence of Look
        Of the same model: on the questions of the training's test, and on those of earlier days.
    now : Look
    """
    known = [each for each in earlier if each.questions >= LEAST_QUESTIONS]
    if not known or now.questions < LEAST_QUESTIONS:
        return None
    gains = np.array([each.gain for each in known])
    by_chance = np.mean([each.standard_error**2 for each in known])
    before = float(gains.mean())
    if len(known) < FEW_LOOKS:
        error = np.sqrt(now.standard_error**2 + by_chance / len(known))
        return QualityChange(now.gain, before, float(norm.cdf(_ratio(now.gain - before, error))))
    spread = max(float(gains.var(ddof=1)), float(by_chance), now.standard_error**2)
    error = np.sqrt(spread * (1 + 1 / len(known)))
    return QualityChange(now.gain, before, float(student.cdf(_ratio(now.gain - before, error), len(known) - 1)))


def _ratio(difference: float, error: float) -> float:
    return float(difference / error) if error > 0 else 0.0
