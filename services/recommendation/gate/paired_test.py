"""Whether a candidate is not worse than the live model, by what both answered to the same questions.

Non-inferiority: the lower end of the one-sided 95 % interval of the mean difference lies above −margin. A candidate
that is worse by just the margin passes in 5 % of the tests.

Source: Piaggio et al., "Reporting of noninferiority and equivalence randomized trials", JAMA 308 (2012),
doi:10.1001/jama.2012.87802
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike

from services.recommendation.holdout.metrics import Values
from services.recommendation.holdout.paired import paired_gain
from services.recommendation.training.candidacy import FEWEST_QUESTIONS

LEVEL = 0.9
"""Of the two-sided interval, each of whose ends is that of a one-sided one of 95 %."""


class Verdict(StrEnum):
    """What the test says."""

    NOT_WORSE = "not_worse"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class PairedTest:
    """A candidate beside the live model, by NDCG at 20.

    Parameters
    ----------
    verdict : Verdict
    questions : int
    candidate, live : float
        Means.
    difference, low, high : float
        The mean of the differences, and the ends of its 90 % interval: each end that of a one-sided 95 % interval.
    margin : float
        Loss that is borne, in the unit of the metric.
    pages : mapping of str to (int, float, float)
        By page the questions and both means.
    """

    verdict: Verdict
    questions: int
    candidate: float
    live: float
    difference: float
    low: float
    high: float
    margin: float
    pages: Mapping[str, tuple[int, float, float]]

    @property
    def summary(self) -> str:
        """The whole in a sentence."""
        said = {
            Verdict.NOT_WORSE: "The candidate is not worse than the live model",
            Verdict.WORSE: "The candidate is worse than the live model",
            Verdict.UNDECIDED: "The test does not tell whether the candidate is worse than the live model",
        }[self.verdict]
        figures = f"{self.candidate:.4f} and {self.live:.4f}, difference from {self.low:+.4f} to {self.high:+.4f}"
        return f"{said} by NDCG at 20 of {self.questions} questions ({figures})."

    def passes(self, *, by_estimate: bool) -> bool:
        """Return whether the candidate goes on; where the test does not tell, by the estimate if so asked."""
        if self.verdict is Verdict.UNDECIDED:
            return by_estimate and self.difference >= -self.margin
        return self.verdict is Verdict.NOT_WORSE


def paired_test(
    candidate: Values, live: Values, clusters: ArrayLike, pages: Sequence[str], margin: float, seed: int = 0
) -> PairedTest:
    """Compare a candidate with the live model.

    Parameters
    ----------
    candidate, live : ndarray of shape (q,), float64
        NDCG of each question.
    clusters : array_like of shape (q,), int
        Questions of the same number, a customer's, are drawn together.
    pages : sequence of q str
        The page of each question.
    margin : float
        Loss that is borne, as a share of the live model's mean.
    seed : int
        Of the resamples.

    Raises
    ------
    ValueError
        If the arrays differ in length, or there is no question.
    """
    if not len(candidate):
        raise ValueError("candidate: there must be a question")
    gain = paired_gain(candidate, live, clusters, seed=seed, level=LEVEL)
    borne = margin * float(live.mean())
    names = np.asarray(pages)
    by_page = {
        page: (int((names == page).sum()), float(candidate[names == page].mean()), float(live[names == page].mean()))
        for page in sorted(set(pages))
    }
    verdict = _verdict(len(candidate), gain.low, gain.high, borne)
    means = float(candidate.mean()), float(live.mean())
    return PairedTest(verdict, len(candidate), *means, gain.value, gain.low, gain.high, borne, by_page)


def _verdict(questions: int, low: float, high: float, margin: float) -> Verdict:
    if questions < FEWEST_QUESTIONS:
        return Verdict.UNDECIDED
    if low >= -margin:
        return Verdict.NOT_WORSE
    return Verdict.WORSE if high < 0 else Verdict.UNDECIDED
