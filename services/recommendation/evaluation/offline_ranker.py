"""The product as a ranker: all algorithms and the hybrid that was learned over them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol as Interface

import numpy as np

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.base import Algorithm, Interactions, Shopper
from services.recommendation.algorithms.registry import default_algorithms
from services.recommendation.holdout.protocols import products_of
from services.recommendation.holdout.splits import validation
from services.recommendation.holdout.tasks import EvalCase, ProgressCallback, Protocol, Task
from services.recommendation.models.model import Model
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import RerankContext, recent
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Fusion, Reranker, batch_size, score_by_algorithm
from services.recommendation.reranker.popularity_prior import batch_scorers
from services.recommendation.reranker.reranker_models import NEWCOMER_WEIGHT
from services.recommendation.training.boosting import fit_reranker
from services.recommendation.training.eval_rounds import EvalRound
from services.recommendation.training.event_weights import learn_kind_weights
from services.recommendation.training.fit import DEFAULT_THREADS, Progress, has_input, train
from services.recommendation.training.holdout_eval import HoldoutEval
from services.recommendation.training.ltr_dataset import LtrDataset
from services.recommendation.training.newcomers import learn_newcomer_weight, newcomers
from services.recommendation.training.reranker_params import RerankerParams
from services.recommendation.training.reranker_trainer import RerankerTrainer

BEFORE = (0.1, 0.5)
AGAIN = (0.75, 1.0)
"""When the algorithms learn, without the answers and with them, as shares of the whole; the hybrid learns between."""

CONTEXT_OF: Mapping[Protocol, RerankContext] = {
    Protocol.TOP_N_DISCOVERY: RerankContext.DISCOVERY,
    Protocol.NEXT_ITEM: RerankContext.DISCOVERY,
    Protocol.SESSION: RerankContext.SESSION,
    Protocol.TOP_N: RerankContext.EVERYTHING,
    Protocol.NEXT_BASKET: RerankContext.EVERYTHING,
}
"""The context whose pages ask as a protocol does."""


class Trainer(Interface):
    """What fits algorithms."""

    def __call__(
        self, data: Interactions, algorithms: Sequence[Algorithm], progress: Progress | None, *, threads: int
    ) -> Model:
        """Return the fitted algorithms, as `model.train` does."""
        ...


class OfflineRanker:
    """Learns the hybrid on a validation split inside train, then all algorithms on all of train.

    Parameters
    ----------
    algorithms : callable, optional
        Makes the unfitted algorithms; default all, with their default configurations.
    without : sequence of str
        Names of algorithms to leave out, for ablations.
    params : RerankerParams
        How the hybrid is learned.
    trainer : callable
        Fits algorithms, as `model.train` does; another one may remember what it fitted before.

    Attributes
    ----------
    progress : callable or None
        Called with what is being learned and the fraction learned, 0 to 1.
    fitted_on : Task or None
        What it was fitted on.
    model : Model
        The algorithms.
    hybrid : Reranker or Fusion
        Orders what they propose.
    item_features : ItemFeatures
    seen : ndarray of shape (n_products,), bool
        Products that train saw; the others are not listed.
    newcomer_weight : float
        What a page takes for newcomers, see `RerankerModels`.
    """

    name = "quintet"

    def __init__(
        self,
        algorithms: Callable[[], list[Algorithm]] = default_algorithms,
        without: Sequence[str] = (),
        params: RerankerParams | None = None,
        *,
        threads: int = DEFAULT_THREADS,
        trainer: Trainer = train,
    ) -> None:
        self._algorithms = algorithms
        self._without = frozenset(without)
        self._params = params or RerankerParams()
        self._threads = threads
        self.progress: ProgressCallback | None = None
        self._trainer = trainer
        self.fitted_on: Task | None = None
        self.newcomer_weight = NEWCOMER_WEIGHT

    def fit(self, task: Task) -> None:
        """Learn from `task.train`, replacing what was learned before."""
        self.fitted_on = task
        inner, asked = validation(task, self._params.seed, self._params.most_questions)
        weights = learn_kind_weights(inner.train, asked)
        inner, task = (replace(each, train=replace(each.train, kind_weights=weights)) for each in (inner, task))
        self.newcomer_weight = NEWCOMER_WEIGHT
        self.hybrid = self._learned(task, inner, asked)
        self.model = self._train(task.train, *AGAIN)
        self.item_features = ItemFeatures.of(task.train, task.target, task.timed)
        self._scorers = batch_scorers(self.model.algorithms, self.model.n_products)
        self.seen: Mask = products_of(task.train) > 0

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        """Return the best `k` products that train saw for each shopper, shape (n_shoppers, k), -1 for none."""
        size = batch_size(self.model.n_products)
        parts = [slice(start, start + size) for start in range(0, len(shoppers), size)]
        lists = parallel.each(lambda part: self._top(shoppers[part], excluded[part], k), parts)
        return np.concatenate([np.empty((0, k), np.int32), *lists])

    def _top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        shoppers = [recent(shopper) for shopper in shoppers]
        scores = score_by_algorithm(self._scorers, self.hybrid.algorithms, shoppers, self.seen)
        candidates = Candidates.of(scores, excluded, self.hybrid.depth)
        return candidates.lists(self.hybrid.values(candidates, shoppers, self.item_features), k)

    def _learned(self, task: Task, inner: Task, asked: Sequence[EvalCase]) -> Reranker | Fusion:
        """Learn the hybrid on a split inside train, and on earlier ones inside that where there is little to ask."""
        trainer = self._trainer_on(inner, 0)
        names, parts = trainer.names, self._examples_of(trainer, inner, asked)
        of_newcomers = self._newcomers(trainer, task, asked)
        n_events, n_asked = len(task.train.customers), len(asked)
        for number in range(1, self._params.most_splits if n_events <= self._params.few_events else 1):
            if n_asked >= self._params.most_questions:
                break
            inner, asked = validation(inner, self._params.seed + number, self._params.most_questions)
            if not asked or 2 * len(inner.train.customers) < n_events:
                break
            trainer = self._trainer_on(inner, number)
            if trainer.names != names:
                break
            parts += self._examples_of(trainer, inner, asked)
            n_asked += len(asked)
        self._say("hybrid", BEFORE[1])
        learned = fit_reranker(parts, names[CONTEXT_OF[task.protocol]], task.target, self._params)
        if of_newcomers and isinstance(learned, Reranker):
            self.newcomer_weight = learn_newcomer_weight(of_newcomers, learned).weight
        return learned

    def _newcomers(self, trainer: RerankerTrainer, task: Task, asked: Sequence[EvalCase]) -> HoldoutEval | None:
        """Return what newcomers are asked on the first split; None where the protocol is not of a page they see."""
        if CONTEXT_OF[task.protocol] is not RerankContext.DISCOVERY:
            return None
        if task.exclude_seen:  # what is new to a newcomer is more than what was new to the customer
            everything = replace(task, exclude_seen=False)
            asked = validation(everything, self._params.seed, self._params.most_questions)[1]
        return trainer.evaluation_of(RerankContext.DISCOVERY, newcomers(asked, self._params.seed), task.target)

    def _trainer_on(self, inner: Task, number: int) -> RerankerTrainer:
        """Return a trainer over the algorithms, fitted on a split."""
        begin, end = BEFORE
        share = (end - begin) / self._params.most_splits
        model = self._train(inner.train, begin + share * number, begin + share * (number + 1))
        params = replace(self._params, seed=self._params.seed + number)
        seen = products_of(inner.train) > 0
        return RerankerTrainer(model, inner.train, seen, params, timed=inner.timed)

    @staticmethod
    def _examples_of(trainer: RerankerTrainer, inner: Task, asked: Sequence[EvalCase]) -> list[LtrDataset]:
        """Return what can be learned from the questions of a split."""
        context = CONTEXT_OF[inner.protocol]
        as_read = [replace(question, shopper=recent(question.shopper)) for question in asked]
        return trainer.examples(EvalRound(inner.target, {context: as_read}))[context].examples

    def _train(self, data: Interactions, begin: float, end: float) -> Model:
        chosen = [each for each in self._algorithms() if each.name not in self._without and has_input(each, data)]

        def progress(stage: str, done: int, total: int) -> None:
            self._say(stage, begin + (end - begin) * done / max(total, 1))

        return self._trainer(data, chosen, progress, threads=self._threads)

    def _say(self, stage: str, fraction: float) -> None:
        if self.progress:
            self.progress(stage, fraction)
