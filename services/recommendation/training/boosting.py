"""Learning to order candidates: gradient-boosted trees, from questions with known answers.

Two sets of trees vote: one grown for the order within each question (NDCG), one for the odds of each candidate.
Together they were better on validation than either, or than more trees of one kind.

Sources: Burges, "From RankNet to LambdaRank to LambdaMART: an overview", Microsoft Research MSR-TR-2010-82; Ke et al.,
"LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017.
"""

from collections.abc import Sequence
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
JUDGES = 5
"""One question of so many judges when to end."""
SMALL = 8000
"""Questions up to which the judges are learned from as well, once the number of rounds is known."""
BINS = 127
"""Values of a feature that trees tell apart, at most."""
SPREAD_OF = 50_000
"""Candidates whose values say how far the trees' values spread, so that each set of trees has the same say."""
FEWEST_QUESTIONS = 50
"""Questions with a found answer below which nothing is learned."""


def fit_trees(lessons: LtrDataset, names: list[str], k: int, how: BoostingParams) -> Trees | None:
    """Return trees that order candidates best for `k` places; None for too few questions.

    The two sets of trees grow at the same time where two threads are allowed; the trees do not depend on it.
    """
    if int((lessons.sizes > 0).sum()) < FEWEST_QUESTIONS:
        return None
    grown = _fit_boosters(lessons, names, k, how)
    return convert(grown, [_spread(trees, lessons) for trees in grown])


def _fit_boosters(lessons: LtrDataset, names: list[str], k: int, how: BoostingParams) -> "list[Booster]":
    """Return for each objective as many trees as help on questions that they were not grown on."""
    # Imported here: a serving agent without a learned model does not need it.
    import lightgbm

    judging = np.arange(len(lessons.sizes)) % JUDGES == JUDGES - 1
    settings = [_settings(how, objective, k) for objective in OBJECTIVES]
    learn = _dataset(lessons, ~judging, names, how)
    judges = _dataset(lessons, judging, names, how, learn)

    def judged(setting: dict[str, Any]) -> "Booster":
        stop = lightgbm.early_stopping(STOP_AFTER, verbose=False)
        return lightgbm.train(setting, learn, how.rounds, valid_sets=[judges], callbacks=[stop])

    trees = parallel.each(judged, settings)
    if len(lessons.sizes) > SMALL:
        return trees
    everything = _dataset(lessons, ~judging | judging, names, how)
    enough = [max(each.best_iteration, 1) for each in trees]
    return parallel.each(
        lambda part: lightgbm.train(part[0], everything, part[1]), list(zip(settings, enough, strict=True))
    )


def _spread(trees: "Booster", lessons: LtrDataset) -> float:
    values = np.asarray(trees.predict(lessons.features[:SPREAD_OF], raw_score=True))
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
    lessons: LtrDataset, questions: Mask, names: list[str], how: BoostingParams, reference: "Dataset | None" = None
) -> "Dataset":
    """Return some of the questions in the form that trees grow on; both objectives share it."""
    import lightgbm

    chosen = np.repeat(questions, lessons.sizes)
    sizes = lessons.sizes[questions & (lessons.sizes > 0)]
    return lightgbm.Dataset(
        lessons.features[chosen],
        lessons.relevant[chosen].astype(np.int8),
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
    """Return the reranker trained on all parts together; `Fusion` where they are too few."""
    if not parts:
        return Fusion(names, params.depth)
    joined = LtrDataset(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.relevant for part in parts]),
        np.concatenate([part.sizes for part in parts]),
    )
    trees = fit_trees(joined, features.names(names), params.k, params.boosting)
    return Reranker(names, target, trees, params.depth) if trees else Fusion(names, params.depth)
