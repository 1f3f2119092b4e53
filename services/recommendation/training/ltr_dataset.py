"""Learning-to-rank data: candidates of shoppers with a known next step, and which of them were chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker import features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import batch_size, score_by_algorithm, scorer_names
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
    """

    features: FloatArray
    relevant: Mask
    sizes: Longs


def build_ltr_datasets(
    algorithms: Mapping[str, Algorithm],
    item_features: ItemFeatures,
    seen: Mask,
    asked: Sequence[EvalCase],
    target: Kind,
    params: RerankerParams,
) -> list[LtrDataset]:
    """Return what can be learned from questions with known answers, as `fit_reranker` takes it.

    Parameters
    ----------
    algorithms : mapping of str to Algorithm
        Fitted on data without the answers.
    item_features : ItemFeatures
        Of the same data.
    seen : ndarray of shape (n_products,), bool
        Products of the same data; the others cannot be candidates.
    asked : sequence of EvalCase
    target : Kind
        The kind of event that counts as an answer.
    """
    names = scorer_names(algorithms)
    size = batch_size(len(item_features.values))

    def of(start: int) -> LtrDataset:
        batch = asked[start : start + size]
        scores = score_by_algorithm(algorithms, names, [question.shopper for question in batch], seen)
        candidates = Candidates.of(scores, [question.excluded for question in batch], params.depth)
        return build_ltr_dataset(
            candidates, batch, item_features, target, params, np.random.default_rng([params.seed, start])
        )

    return parallel.each(of, range(0, len(asked), size))


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
    n_products = len(item_features.values)
    relevant = np.isin(candidates.owners * n_products + candidates.products, _answers(asked, n_products))
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


def _answers(asked: Sequence[EvalCase], n_products: int) -> Longs:
    return np.concatenate(
        [index * n_products + question.targets.astype(np.int64) for index, question in enumerate(asked)]
    )
