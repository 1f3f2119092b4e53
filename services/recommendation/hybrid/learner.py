"""Learning to order candidates: gradient-boosted trees, from questions with known answers.

Two sets of trees vote: one grown for the order within each question (NDCG), one for the odds of each candidate.
Together they were better on validation than either, or than more trees of one kind.

Sources: Burges, "From RankNet to LambdaRank to LambdaMART: an overview", Microsoft Research MSR-TR-2010-82; Ke et al.,
"LightGBM: a highly efficient gradient boosting decision tree", NeurIPS 2017.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask

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


@dataclass(frozen=True)
class Boosting:
    """How the trees are grown."""

    learning_rate: float = 0.1
    """Share of each tree's correction that is taken."""
    leaves: int = 15
    """Leaves of a tree."""
    rounds: int = 250
    """Most trees."""
    min_leaf: int = 200
    """Fewest candidates in a leaf."""
    features: float = 0.4
    """Share of the features that each tree sees: few, so that no tree learns single products by their facts."""
    l2: float = 5.0
    """Ridge weight of leaf values."""
    seed: int = 1
    """Seed of the samples of features and candidates."""
    threads: int = 1
    """Threads of learning: trees this small are grown by one, several would wait for each other on a busy machine."""


@dataclass(frozen=True, eq=False)
class Lessons:
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


def boost(lessons: Lessons, names: list[str], k: int, how: Boosting) -> str:
    """Return trees that order candidates best for `k` places, as `Trees` takes them; "" for too few lessons.

    The two sets of trees grow at the same time where two threads are allowed; the trees do not depend on it.
    """
    if int((lessons.sizes > 0).sum()) < FEWEST_QUESTIONS:
        return ""
    grown = _grown(lessons, names, k, how)
    return json.dumps([{"scale": _spread(trees, lessons), "trees": trees.model_to_string()} for trees in grown])


def _grown(lessons: Lessons, names: list[str], k: int, how: Boosting) -> "list[Booster]":
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


def _spread(trees: "Booster", lessons: Lessons) -> float:
    values = np.asarray(trees.predict(lessons.features[:SPREAD_OF], raw_score=True))
    return max(float(values.std()), 1e-9)


class Trees:
    """Grown trees, ready to judge.

    Raises
    ------
    ValueError
        If `text` is not what `boost` gave.
    """

    def __init__(self, text: str) -> None:
        import lightgbm

        try:
            parts = json.loads(text)
            self._boosters = [lightgbm.Booster(model_str=part["trees"]) for part in parts]
            self._scales = [float(part["scale"]) for part in parts]
        except (lightgbm.basic.LightGBMError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"trees: not readable: {error}") from error

    @property
    def features(self) -> list[str]:
        """Names of the features, in their order."""
        return list(self._boosters[0].feature_name())

    def values(self, features: FloatArray, threads: int = 1) -> NDArray[np.float64]:
        """Return a value for each candidate, shape (n_candidates,): larger is better, comparable within a question."""
        total = np.zeros(len(features))
        if len(features):
            for booster, scale in zip(self._boosters, self._scales, strict=True):
                total += np.asarray(booster.predict(features, raw_score=True, num_threads=threads)) / scale
        return total

    def gains(self) -> dict[str, float]:
        """Return how much each feature helped the order, as shares of 1, the largest first."""
        gains = self._boosters[0].feature_importance("gain")
        order = np.argsort(-gains)
        return {self.features[i]: float(gains[i] / max(gains.sum(), 1e-9)) for i in order.tolist()}


def _settings(how: Boosting, objective: str, k: int) -> dict[str, Any]:
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
    lessons: Lessons, questions: Mask, names: list[str], how: Boosting, reference: "Dataset | None" = None
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
