"""Learning to order candidates: gradient-boosted trees, from questions with known answers.

Two sets of trees vote: one grown for the order within each question (NDCG), one for the odds of each candidate.
Together they were better on validation than either, or than more trees of one kind.

Sources: Burges, "From RankNet to LambdaRank to LambdaMART: an overview", Microsoft Research MSR-TR-2010-82; Ke et al.,
"LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import Mask
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.reranker import features
from services.recommendation.reranker.model import Fusion, Reranker
from services.recommendation.reranker.trees import Trees
from services.recommendation.training.lightgbm_trees import convert
from services.recommendation.training.ltr_dataset import LtrDataset
from services.recommendation.training.reranker_params import BoostingParams, RerankerParams

if TYPE_CHECKING:
    from lightgbm import Booster, Dataset

OBJECTIVES = {"lambdarank": "ndcg", "binary": "binary_logloss"}
"""What trees are grown for, and what says when they are enough."""
STOP_AFTER = 40
"""Rounds without a gain after which boosting ends."""
VALIDATED = 5
"""One question of so many decides when to end."""
SMALL = 8000
"""Questions up to which the validation questions are learned from as well, once the number of rounds is known."""
BINS = 127
"""Values of a feature that trees tell apart, at most."""
SPREAD_OF = 50_000
"""Candidates whose values say how far the trees' values spread, so that each set of trees has the same say."""
FEWEST_QUESTIONS = 50
"""Questions with a found answer below which nothing is learned."""


def fit_trees(examples: LtrDataset, names: list[str], k: int, how: BoostingParams) -> Trees | None:
    """Return trees that order candidates best for `k` places; None for too few questions.

    The two sets of trees grow at the same time where two threads are allowed; the trees do not depend on it.
    """
    if not enough(examples):
        return None
    grown = _stopped_early(examples, names, k, how)
    if len(examples.sizes) <= SMALL:
        grown = _of_rounds(examples, names, k, how, _rounds_of(grown))
    return _converted(grown, examples)


def enough(examples: LtrDataset) -> bool:
    """Return whether there are enough questions with a found answer to learn from."""
    return int((examples.sizes > 0).sum()) >= FEWEST_QUESTIONS


def _stopped_early(examples: LtrDataset, names: list[str], k: int, how: BoostingParams) -> "list[Booster]":
    """Return for each objective as many trees as help on a fifth of the questions, which they were not grown on."""
    # Imported here: a serving agent without a learned model does not need it.
    import lightgbm

    validating = np.arange(len(examples.sizes)) % VALIDATED == VALIDATED - 1
    learn = _dataset(examples, ~validating, names, how)
    # One for each objective: LightGBM writes the names of the features into it when it begins.
    validation = [_dataset(examples, validating, names, how, learn) for _ in OBJECTIVES]

    def stopped(part: "tuple[dict[str, Any], Dataset]") -> "Booster":
        setting, questions = part
        stop = lightgbm.early_stopping(STOP_AFTER, verbose=False)
        return lightgbm.train(setting, learn, how.rounds, valid_sets=[questions], callbacks=[stop])

    settings = [_settings(how, objective, k) for objective in OBJECTIVES]
    return parallel.each(stopped, list(zip(settings, validation, strict=True)))


def _of_rounds(
    examples: LtrDataset, names: list[str], k: int, how: BoostingParams, rounds: Sequence[int]
) -> "list[Booster]":
    """Return for each objective so many trees, grown on all questions."""
    import lightgbm

    everything = _dataset(examples, np.ones(len(examples.sizes), dtype=bool), names, how)
    settings = [_settings(how, objective, k) for objective in OBJECTIVES]
    return parallel.each(
        lambda part: lightgbm.train(part[0], everything, part[1]), list(zip(settings, rounds, strict=True))
    )


def _rounds_of(grown: "Sequence[Booster]") -> list[int]:
    return [max(each.best_iteration, 1) for each in grown]


def _converted(grown: "Sequence[Booster]", examples: LtrDataset) -> Trees:
    return convert(grown, [_spread(trees, examples) for trees in grown])


def _spread(trees: "Booster", examples: LtrDataset) -> float:
    values = np.asarray(trees.predict(examples.features[:SPREAD_OF], raw_score=True))
    return max(float(values.std()), 1e-9)


def _settings(how: BoostingParams, objective: str, k: int) -> dict[str, Any]:
    return {
        "objective": objective,
        "metric": OBJECTIVES[objective],
        "eval_at": [k],
        "lambdarank_truncation_level": k + 10,
        "learning_rate": how.learning_rate,
        "num_leaves": how.leaves,
        "min_data_in_leaf": how.min_leaf,
        "lambda_l2": how.l2,
        "feature_fraction": how.features,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "max_bin": BINS,
        "seed": how.seed,
        "num_threads": how.threads,
        "deterministic": True,
        # the same trees as by row, in half the time: each tree sees few of the features
        "force_col_wise": True,
        "verbose": -1,
    }


def _dataset(
    examples: LtrDataset, questions: Mask, names: list[str], how: BoostingParams, reference: "Dataset | None" = None
) -> "Dataset":
    """Return some of the questions in the form that trees grow on; both objectives share it."""
    import lightgbm

    chosen = np.repeat(questions, examples.sizes)
    sizes = examples.sizes[questions & (examples.sizes > 0)]
    return lightgbm.Dataset(
        examples.features[chosen],
        examples.relevant[chosen].astype(np.int8),
        weight=None if examples.weights is None else examples.weights[chosen],
        group=sizes,
        feature_name=names,
        reference=reference,
        params={
            "max_bin": BINS,
            "min_data_in_leaf": how.min_leaf,
            "num_threads": parallel.allowed(),
            "verbose": -1,
        },
    ).construct()


def fit_reranker(
    parts: Sequence[LtrDataset], names: tuple[str, ...], target: Kind, params: RerankerParams
) -> Reranker | Fusion:
    """Return what is learned from all parts together; `Fusion` where they are too few."""
    trees = fit_trees(LtrDataset.joined(parts), features.names(names), params.k, params.boosting) if parts else None
    return Reranker(names, target, trees, params.depth) if trees else Fusion(names, params.depth)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A reranker that has yet to pass an evaluation, and how many trees of each objective it has."""

    reranker: Reranker
    rounds: tuple[int, ...]


def fit_candidate(
    parts: Sequence[LtrDataset], names: tuple[str, ...], target: Kind, params: RerankerParams
) -> Candidate | None:
    """Return a reranker for an evaluation, without the refit of `fit_reranker`; None for too few questions."""
    examples = LtrDataset.joined(parts) if parts else None
    if examples is None or not enough(examples):
        return None
    grown = _stopped_early(examples, features.names(names), params.k, params.boosting)
    return Candidate(Reranker(names, target, _converted(grown, examples), params.depth), tuple(_rounds_of(grown)))


def refit(candidate: Candidate, parts: Sequence[LtrDataset], params: RerankerParams) -> Reranker:
    """Return the reranker with as many trees, grown on all parts: those of the evaluation too."""
    reranker, examples = candidate.reranker, LtrDataset.joined(parts)
    names = features.names(reranker.algorithms)
    grown = _of_rounds(examples, names, params.k, params.boosting, candidate.rounds)
    return replace(reranker, trees=_converted(grown, examples))
