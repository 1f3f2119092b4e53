"""Training the rerankers of a shop: on the last tenth of its time, from algorithms fitted on what was before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from threadpoolctl import threadpool_limits

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm, Interactions, Kind
from services.recommendation.holdout.protocols import rebuys
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.training.eval_rounds import EvalRound, HeldOutPeriod
from services.recommendation.training.event_weights import learn_kind_weights
from services.recommendation.training.fit import Progress, has_input, train
from services.recommendation.training.reranker_params import RerankerParams
from services.recommendation.training.reranker_trainer import (
    FEWEST_EXAMINED,
    ContextExamples,
    RerankerTrainer,
    answerable,
)

MOST_QUESTIONS = 4000
"""Questions of each round, at most: they bound the time."""
TOLD = frozenset({"complementary"})
"""Algorithms that know the answers: the relations were found in all orders, those that are asked for among them."""


@dataclass(frozen=True, eq=False)
class RerankerTrainingResult:
    """What came of learning.

    Parameters
    ----------
    learned : RerankerModels
        With the features of all products.
    kind_weights : ndarray of shape (3,), float32
        How much an event says about taste, by `Kind`.
    reports : dict
        By context, JSON-able: `learned` (whether there is a hybrid), `questions` it learned from, `examined` questions,
        `best` (the algorithm best alone), and recall and NDCG at 20 of the hybrid in use (the fixed weights where none
        was learned), of the best, of popularity and of the fixed weights. Without those of which nothing can be said.
    """

    learned: RerankerModels
    kind_weights: FloatArray
    reports: dict[str, dict[str, Any]]


def train_rerankers(
    data: Interactions,
    algorithms: Callable[[], list[Algorithm]],
    progress: Progress,
    *,
    threads: int,
    params: RerankerParams | None = None,
) -> RerankerTrainingResult:
    """Learn a reranker for each context that has enough to learn from.

    Parameters
    ----------
    data : Interactions
        Everything there is.
    algorithms : callable
        Makes the algorithms, unfitted.
    progress : callable
        As `train` takes it.
    threads : int
        Of the algorithms; at least 1.
    params : RerankerParams
        How rerankers are learned.
    """
    params = params or RerankerParams()
    rebuy_rate = rebuys(data, Kind.PURCHASE)
    if not len(data.customers):
        return RerankerTrainingResult(RerankerModels(), data.kind_weights, {})
    later = HeldOutPeriod(data, params.seed)
    rounds = _worthwhile(later)
    known = replace(later.known, kind_weights=_kind_weights(later.known, rounds, threads))
    if not rounds:
        return RerankerTrainingResult(RerankerModels(rebuy_rate=rebuy_rate), known.kind_weights, {})
    chosen = [each for each in algorithms() if each.name not in TOLD and has_input(each, known)]
    steps = len(chosen) + len(rounds)
    model = train(known, chosen, lambda stage, done, _: progress(stage, done, steps), threads=threads)
    rerankers: dict[RerankContext, Reranker] = {}
    reports: dict[str, dict[str, Any]] = {}
    trainer = RerankerTrainer(model, known, later.there, params)
    with threadpool_limits(limits=threads):
        for number, asked in enumerate(rounds):
            progress(f"hybrid for {' and '.join(asked.asked)}", len(chosen) + number, steps)
            examples = trainer.examples(asked)
            outcomes = parallel.each(ContextExamples.examined, examples.values())
            for context, (reranker, found) in zip(examples, outcomes, strict=True):
                rerankers |= {context: reranker} if reranker else {}
                reports |= {context.value: found} if found else {}
    targets = {reranker.target for reranker in rerankers.values()}
    item_features = {target: ItemFeatures.of(data, target, timed=True) for target in targets}
    return RerankerTrainingResult(RerankerModels(rerankers, item_features, rebuy_rate), known.kind_weights, reports)


def _worthwhile(later: HeldOutPeriod) -> list[EvalRound]:
    """Return what there are enough questions of."""
    rounds = (
        later.of_customers(MOST_QUESTIONS),
        later.of_baskets(MOST_QUESTIONS),
        later.of_sessions(MOST_QUESTIONS),
    )
    return [
        asked
        for asked in rounds
        if any(len(answerable(questions)) >= FEWEST_EXAMINED for questions in asked.asked.values())
    ]


def _kind_weights(known: Interactions, rounds: Sequence[EvalRound], threads: int) -> FloatArray:
    """Return how much the kinds of events say, judged by what customers newly obtained."""
    asked = [question for each in rounds for question in each.asked.get(RerankContext.DISCOVERY, [])]
    with threadpool_limits(limits=threads):
        return learn_kind_weights(known, answerable(asked))
