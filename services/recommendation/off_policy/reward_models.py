"""What an action would earn, predicted by models that were never fitted on the decisions they score.

Folds are of whole units: a customer's decisions are scored by a model that saw none of this customer.

Source: cross-fitting, Chernozhukov et al., "Double/debiased machine learning for treatment and structural parameters",
The Econometrics Journal 2018, doi:10.1111/ectj.12097
"""

from collections.abc import Callable
from typing import Protocol, TypeAlias

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, Longs
from services.recommendation.off_policy.log import ActionLog, SlateLog
from services.recommendation.off_policy.ratios import Floats

FOLDS = 5
RIDGE = 10.0
PRIOR_DECISIONS = 20.0
"""Weight of the mean over all contexts in that of one context, in decisions."""


class Regressor(Protocol):
    """A model as scikit-learn has them."""

    def fit(self, features: Floats, rewards: Floats) -> object:
        """Learn from features of shape (n, d) and rewards of shape (n,)."""
        ...

    def predict(self, features: Floats) -> AnyArray:
        """Return predicted rewards, shape (n,)."""
        ...


MakeRegressor: TypeAlias = Callable[[], Regressor]


class Ridge:
    """A linear model with an L2 penalty on all but its intercept, the default reward model.

    Source: Hoerl & Kennard, "Ridge Regression", Technometrics 1970, doi:10.1080/00401706.1970.10488634. In closed form:
    an agent that serves would load scikit-learn for this alone.
    """

    def fit(self, features: Floats, rewards: Floats) -> object:
        """Learn from features of shape (n, d) and rewards of shape (n,)."""
        self._centre, self._mean = features.mean(axis=0), float(rewards.mean())
        apart = features - self._centre
        penalised = apart.T @ apart + RIDGE * np.eye(features.shape[1])
        self._slopes: Floats = np.linalg.solve(penalised, apart.T @ (rewards - self._mean)).astype(np.float64)
        return self

    def predict(self, features: Floats) -> AnyArray:
        """Return predicted rewards, shape (n,)."""
        predicted: AnyArray = (features - self._centre) @ self._slopes + self._mean
        return predicted


class Logistic:
    """Logistic regression that predicts the probability of a reward; for rewards of 0 and 1."""

    def fit(self, features: Floats, rewards: Floats) -> object:
        """Learn from features of shape (n, d) and rewards of shape (n,), each 0 or 1."""
        from sklearn.linear_model import LogisticRegression  # takes two seconds and 100 MB, which others do not need

        self._share = float(rewards.mean())
        self._model = LogisticRegression().fit(features, rewards) if 0.0 < self._share < 1.0 else None
        return self

    def predict(self, features: Floats) -> AnyArray:
        """Return the probability of reward 1, shape (n,); the same for all where only one reward was seen."""
        if self._model is None:
            return np.full(len(features), self._share)
        probabilities: AnyArray = self._model.predict_proba(features)[:, 1]
        return probabilities


def folds_of(units: Longs, folds: int = FOLDS, seed: int = 0) -> Longs:
    """Return the fold of each decision, shape (n,), 0 to folds - 1; decisions of one unit share theirs."""
    names, of_decision = np.unique(units, return_inverse=True)
    return np.random.default_rng(seed).permutation(len(names))[of_decision] % folds


def predict_rewards(
    log: ActionLog,
    features: Floats,
    n_actions: int,
    *,
    make: MakeRegressor = Ridge,
    folds: int = FOLDS,
    seed: int = 0,
) -> Floats:
    """Return the predicted reward of each decision and action, shape (n, n_actions), in the unit of the reward.

    One model an action. An action that a fold's other decisions do not have is predicted by their mean reward.

    Parameters
    ----------
    features : ndarray of shape (n, d), float64
        What was known when the decision was made.
    make : callable
        Makes the model of an action: ridge regression by default, `Logistic` for rewards of 0 and 1.
    folds, seed
        As of `folds_of`.
    """
    fold, predicted = folds_of(log.units, folds, seed), np.empty((len(log), n_actions))
    for number in np.unique(fold):
        held, used = fold == number, fold != number
        for action in range(n_actions):
            rows = used & (log.actions == action)
            if rows.any():
                predicted[held, action] = _predicted(make(), features[rows], log.rewards[rows], features[held])
            else:
                predicted[held, action] = log.rewards[used].mean() if used.any() else 0.0
    return predicted


def predict_by_context(log: ActionLog, contexts: Longs, n_actions: int, *, folds: int = FOLDS, seed: int = 0) -> Floats:
    """Return the mean reward of each action by context, shape (n, n_actions), in the unit of the reward.

    The mean of a context is shrunk to that of the action over all contexts, as if it had `PRIOR_DECISIONS` of that.

    Parameters
    ----------
    contexts : ndarray of shape (n,), int64
        Number of the decision's context, 0 and up.
    folds, seed
        As of `folds_of`.
    """
    cells, shape = contexts * n_actions + log.actions, (int(contexts.max()) + 1, n_actions)
    fold, predicted = folds_of(log.units, folds, seed), np.empty((len(log), n_actions))
    for number in np.unique(fold):
        held, used = fold == number, fold != number
        means = _cell_means(cells[used], log.rewards[used], np.ones(used.sum()), shape)
        predicted[held] = means[contexts[held]]
    return predicted


def predict_below(
    log: SlateLog, buckets: Longs, shares: Floats, weights: Floats, *, folds: int = FOLDS, seed: int = 0
) -> tuple[Floats, Floats]:
    """Return what a model expects of each place and those below it, for `slates.cascade_doubly_robust`.

    The model is a table of means by place and kind of item, fitted from the last place up: what a place leads to is its
    reward plus what the evaluation policy is expected to earn below it. Lists count by their weights, so that the
    lists above a place are as the evaluation policy would have made them.

    Source: the base model of Kiyohara et al., WSDM 2022, doi:10.1145/3488560.3498380, with a table as the regression

    Parameters
    ----------
    buckets : ndarray of shape (n, k), int64
        Kind of the item shown at the place, 0 to n_buckets - 1.
    shares : ndarray of shape (n, k, n_buckets), float64
        The evaluation policy's probability of each kind at the place, given the items above.
    weights : ndarray of shape (n, k), float64
        Cascade weights W_ik of the lists; see `slates.cascade_weights`.
    folds, seed
        As of `folds_of`.

    Returns
    -------
    expected, predicted : ndarray of shape (n, k), float64
        In the unit of the reward: of the place under the evaluation policy, and of the item that was shown there;
        0 at places that a list does not have.
    """
    fold = folds_of(log.units, folds, seed)
    expected, predicted = np.zeros(buckets.shape), np.zeros(buckets.shape)
    for number in np.unique(fold):
        held, used = fold == number, fold != number
        below = np.zeros(len(log))
        for place in reversed(range(buckets.shape[1])):
            rows = used & log.filled[:, place]
            target = log.rewards[rows, place] + below[rows]
            means = _cell_means(buckets[rows, place], target, weights[rows, place], (1, shares.shape[2]))[0]
            below = np.where(log.filled[:, place], shares[:, place] @ means, 0.0)
            expected[held, place] = below[held]
            predicted[held, place] = means[buckets[held, place]] * log.filled[held, place]
    return expected, predicted


def _predicted(model: Regressor, features: Floats, rewards: Floats, asked: Floats) -> AnyArray:
    model.fit(features, rewards)
    return model.predict(asked)


def _cell_means(cells: Longs, rewards: Floats, weights: Floats, shape: tuple[int, int]) -> Floats:
    """Return weighted means by cell of a table, shrunk to its column's mean, and that to the mean of all."""
    size = shape[0] * shape[1]
    sums = np.bincount(cells, weights * rewards, size).reshape(shape)
    counts = np.bincount(cells, weights, size).reshape(shape)
    total = counts.sum()
    overall = sums.sum() / total if total else 0.0
    columns = (sums.sum(axis=0) + PRIOR_DECISIONS * overall) / (counts.sum(axis=0) + PRIOR_DECISIONS)
    means: Floats = (sums + PRIOR_DECISIONS * columns) / (counts + PRIOR_DECISIONS)
    return means
