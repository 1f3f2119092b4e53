"""Learning-to-rank data: candidates of shoppers with a known next step, and which of them were chosen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker import features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.training.reranker_params import RerankerParams


@dataclass(frozen=True, eq=False)
class LtrDataset:
    """Candidates with known relevance.

    Parameters
    ----------
    features : ndarray of shape (n_candidates, n_features), float32
    relevant : ndarray of shape (n_candidates,), bool
    sizes : ndarray of shape (n_questions,), int64
        Candidates of each question, which stand together.
    weights : ndarray of shape (n_candidates,), float32, optional
        How much each candidate counts; by default 1.
    """

    features: FloatArray
    relevant: Mask
    sizes: Longs
    weights: FloatArray | None = None

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the questions of all parts, at least one, in their order."""
        weighted = any(part.weights is not None for part in parts)
        return cls(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.relevant for part in parts]),
            np.concatenate([part.sizes for part in parts]),
            np.concatenate([part._weights() for part in parts]) if weighted else None,
        )

    def weighted(self, factor: float) -> Self:
        """Return the same questions with so many times their weights."""
        return replace(self, weights=(factor * self._weights()).astype(np.float32))

    def _weights(self) -> FloatArray:
        return np.ones(len(self.relevant), np.float32) if self.weights is None else self.weights

    def where(self, questions: Mask) -> Self:
        """Return what can be learned from some of the questions (mask of shape (n_questions,)); the others get none."""
        kept = np.repeat(questions, self.sizes)
        return replace(
            self,
            features=self.features[kept],
            relevant=self.relevant[kept],
            sizes=np.where(questions, self.sizes, 0),
            weights=None if self.weights is None else self.weights[kept],
        )


def build_ltr_dataset(
    candidates: Candidates,
    asked: Sequence[EvalCase],
    item_features: ItemFeatures,
    target: Kind,
    params: RerankerParams,
    rng: np.random.Generator,
) -> LtrDataset:
    """Return what can be learned from questions of which one candidate was right: those that were, some that were not.

    Parameters
    ----------
    candidates : Candidates
        Of the shoppers of `asked`, in their order. A question may be without targets: nothing is learned from it.
    rng : Generator
        Draws `params.negatives` of the candidates that were not right.
    """
    relevant = right_candidates(candidates, [question.targets for question in asked])
    counts = np.bincount(candidates.owners, minlength=len(asked))
    found = np.bincount(candidates.owners, relevant, len(asked)) > 0
    drawn = rng.random(len(relevant)) * counts[candidates.owners] < params.negatives
    kept = (relevant | drawn) & found[candidates.owners]
    chosen = candidates.where(kept)
    histories = ShopperHistories.of([question.shopper for question in asked])
    return LtrDataset(
        features.table(chosen, histories, item_features, target),
        relevant[kept],
        np.bincount(chosen.owners, minlength=len(asked)),
    )


def right_candidates(candidates: Candidates, targets: Sequence[Rows]) -> Mask:
    """Return which candidates are right, shape (n_candidates,): among the targets of their question."""
    answers = np.concatenate([np.empty(0, np.int64), *(each.astype(np.int64) for each in targets)])
    asked = np.repeat(np.arange(len(targets)), [len(each) for each in targets])
    n_products = 1 + max(int(candidates.products.max(initial=0)), int(answers.max(initial=0)))
    return np.isin(candidates.owners * n_products + candidates.products, asked * n_products + answers)
