"""A baseline that chooses its parameters on a validation split inside train, as a fair comparison needs.

Source: Ferrari Dacrema, Cremonesi & Jannach, "Are we really making much progress?", RecSys 2019,
doi:10.1145/3298689.3347058: much that was published as better was compared with baselines that nobody had tuned.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.metrics import measure
from services.recommendation.holdout.splits import validation
from services.recommendation.holdout.tasks import EvalCase, Ranker, Task

PLACES = 20
"""Places of the lists that parameters are compared by."""
MOST_QUESTIONS = 2000
"""Questions that parameters are compared on, at most."""

Params = dict[str, Any]


class TunedRanker:
    """Tries one parameter after the other, keeps the best value of each, and fits on all of train with what is best.

    Parameters
    ----------
    name : str
        Name in reports.
    make : callable
        Takes parameters as keywords and returns an unfitted ranker.
    space : mapping of str to sequence
        The values of each parameter, the default first; the parameters that matter most first.
    seed : int
        Seed of the validation split.

    Attributes
    ----------
    chosen : dict
        The parameters that were chosen; empty before `fit`.
    """

    def __init__(
        self, name: str, make: Callable[..., Ranker], space: Mapping[str, Sequence[Any]], seed: int = 0
    ) -> None:
        self.name = name
        self.chosen: Params = {}
        self._make = make
        self._space = space
        self._seed = seed

    def fit(self, task: Task) -> None:
        """Choose the parameters inside `task.train` by NDCG at 20, then learn from all of it.

        Where the split leaves nobody to ask, the defaults stay.
        """
        inner, cases = validation(task, self._seed, MOST_QUESTIONS)
        self.chosen = {name: values[0] for name, values in self._space.items()}
        if cases:
            self._choose(inner, cases)
        self._ranker = self._make(**self.chosen)
        self._ranker.fit(task)

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        """Return the best `k` products of each shopper, shape (len(shoppers), k), -1 where there is nothing more."""
        return self._ranker.top(shoppers, excluded, k)

    def _choose(self, inner: Task, cases: list[EvalCase]) -> None:
        best = self._value(self.chosen, inner, cases)
        for name, values in self._space.items():
            for value in values[1:]:
                candidate = {**self.chosen, name: value}
                reached = self._value(candidate, inner, cases)
                if reached > best:
                    best, self.chosen = reached, candidate

    def _value(self, params: Params, inner: Task, cases: list[EvalCase]) -> float:
        """Return the mean NDCG of the validation questions."""
        ranker = self._make(**params)
        ranker.fit(inner)
        lists = ranker.top([case.shopper for case in cases], [case.excluded for case in cases], PLACES)
        return float(np.mean(measure(lists, [case.targets for case in cases], PLACES)["ndcg"]))
