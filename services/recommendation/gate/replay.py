"""How well a stored model answers questions, beside best-sellers on the same questions."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from services.recommendation.evaluation.baselines import MostPopular
from services.recommendation.gate.questions import Questions
from services.recommendation.gate.stored_model import PLACES
from services.recommendation.holdout.metrics import Values, measure
from services.recommendation.holdout.paired import paired_gain
from services.recommendation.holdout.protocols import strongest_kind
from services.recommendation.holdout.tasks import Protocol, Task

RESAMPLES = 200
ONE_ERROR = 0.6827
"""Share of a normal distribution within one standard error of its mean."""


@dataclass(frozen=True)
class QualityLook:
    """The mean NDCG at 20 of a model, and by how much it is above that of best-sellers, with the gain's standard error.

    All are 0 without questions.
    """

    questions: int = 0
    quality: float = 0.0
    gain: float = 0.0
    standard_error: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


def quality_look(ndcg: Values, questions: Questions, seed: int = 0) -> QualityLook:
    """Return how well questions were answered.

    Parameters
    ----------
    ndcg : ndarray of shape (n_questions,), float64
        Of the model, in the order of the questions.
    questions : Questions
    seed : int
        Of the resamples.
    """
    if not len(ndcg):
        return QualityLook()
    gain = paired_gain(
        ndcg, best_sellers(questions), questions.clusters, resamples=RESAMPLES, seed=seed, level=ONE_ERROR
    )
    return QualityLook(len(ndcg), float(ndcg.mean()), gain.value, (gain.high - gain.low) / 2)


def best_sellers(questions: Questions) -> Values:
    """Return the NDCG at 20 of best-sellers, shape (n_questions,), float64, without what each question excludes."""
    known = questions.known
    ranker = MostPopular()
    ranker.fit(Task(known, Protocol.TOP_N, strongest_kind(known)))
    found = []
    for asked in questions.by_page.values():
        lists = ranker.top([each.shopper for each in asked], [each.excluded for each in asked], PLACES)
        found.append(measure(lists, [each.targets for each in asked], PLACES)["ndcg"])
    return np.concatenate([np.empty(0), *found])
