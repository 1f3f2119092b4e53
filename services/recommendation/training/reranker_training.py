"""Training the rerankers of a shop: on the last tenth of its time, from algorithms fitted on what was before."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
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
from services.recommendation.training.holdout_eval import HoldoutEval
from services.recommendation.training.newcomers import NewcomerWeight, learn_newcomer_weight, newcomers
from services.recommendation.training.position_bias import PositionBias
from services.recommendation.training.reranker_params import RerankerParams
from services.recommendation.training.reranker_trainer import (
    FEWEST_EVALUATED,
    ContextExamples,
    RerankerTrainer,
    answerable,
    evaluated_customers,
)
from services.recommendation.training.sample import MOST_INTERACTIONS, some_customers
from services.recommendation.training.shown_feedback import LATEST, ShownFeedback
from services.recommendation.training.shown_lists import ShownLists
from shared.memory import give_memory_back
from shared.page_rules import Page

MOST_BASKETS = 4_000
"""Questions about what else is in a basket, at most: they are the costliest to draw up."""
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
        How much an event says about preferences, by `Kind`.
    reports : dict
        By context, JSON-able: `learned` (whether there is a hybrid), `questions` it learned from, `evaluated`
        questions, `best` (the algorithm best alone), and recall and NDCG at 20 of the hybrid in use (the fixed weights
        where none was learned), of the best, of popularity and of the fixed weights. Without those of which nothing can
        be said.
    newcomers : dict
        How `learned.newcomer_weight` was found: `questions`, and NDCG at 20 by weight; {} where it is the default.
    organic : dict of RerankContext to Reranker
        Where asked for: the rerankers without what was learned from shown lists.
    biases : dict of Page to PositionBias
        Position bias of each page that lists were shown on.
    shown_seconds : float
        Seconds that shown lists took: position bias and examples. Choosing whether to learn from them is not counted:
        contexts do so side by side.
    """

    learned: RerankerModels
    kind_weights: FloatArray
    reports: dict[str, dict[str, Any]]
    newcomers: dict[str, Any] = field(default_factory=dict)
    organic: dict[RerankContext, Reranker] = field(default_factory=dict)
    biases: dict[Page, PositionBias] = field(default_factory=dict)
    shown_seconds: float = 0.0


def train_rerankers(
    data: Interactions,
    algorithms: Callable[[], list[Algorithm]],
    progress: Progress,
    *,
    threads: int,
    params: RerankerParams | None = None,
    most_interactions: int = MOST_INTERACTIONS,
    shown: ShownLists | None = None,
    keep_organic: bool = False,
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
    most_interactions : int
        Interactions that are learned from, about; of more, those of customers drawn by chance.
    shown : ShownLists, optional
        Lists that shoppers saw, in the rows of `data`.
    keep_organic : bool
        Whether to return the rerankers without what was learned from shown lists as well.
    """
    params = params or RerankerParams()
    rebuy_rate = rebuys(data, Kind.PURCHASE)
    if not len(data.customers):
        return RerankerTrainingResult(RerankerModels(), data.kind_weights, {})
    sample = some_customers(data, most_interactions)
    splits = _splits(sample, params)
    feedback = ShownFeedback.of(shown, sample) if shown is not None and splits else None
    kind_weights = _kind_weights(splits[0], threads) if splits else data.kind_weights
    rerankers: dict[RerankContext, Reranker] = {}
    reports: dict[str, dict[str, Any]] = {}
    organic: dict[RerankContext, Reranker] = {}
    of_newcomers: HoldoutEval | None = None
    evaluated = partial(ContextExamples.evaluated, keep_organic=keep_organic)
    for drawn_up in _examples(splits, sample, kind_weights, algorithms, progress, threads, params, feedback):
        with threadpool_limits(limits=threads):
            outcomes = parallel.each(evaluated, drawn_up.by_context.values())
        for context, outcome in zip(drawn_up.by_context, outcomes, strict=True):
            rerankers |= {context: outcome.reranker} if outcome.reranker else {}
            organic |= {context: outcome.organic} if outcome.organic and keep_organic else {}
            reports |= {context.value: outcome.facts} if outcome.facts else {}
        of_newcomers = drawn_up.of_newcomers or of_newcomers
        drawn_up.by_context.clear()  # some hundred megabytes each, while the next are drawn up
        give_memory_back()
    found_weight = NewcomerWeight()
    if of_newcomers and RerankContext.DISCOVERY in rerankers:
        found_weight = learn_newcomer_weight(of_newcomers, rerankers[RerankContext.DISCOVERY])
    targets = {reranker.target for reranker in rerankers.values()}
    item_features = {target: ItemFeatures.of(data, target, timed=True) for target in targets}
    learned = RerankerModels(rerankers, item_features, rebuy_rate, found_weight.weight)
    found = RerankerTrainingResult(learned, kind_weights, reports, found_weight.report, organic)
    return replace(found, biases=feedback.biases, shown_seconds=feedback.seconds) if feedback else found


@dataclass(frozen=True, eq=False)
class _Split:
    """What was known up to a moment, and what is asked of the time after it."""

    period: HeldOutPeriod
    rounds: list[EvalRound]


def _splits(data: Interactions, params: RerankerParams) -> list[_Split]:
    """Return the splits of time that are learned from, the latest first; each lies in what the one before it knows.

    Several where there is little to ask and a training is short (docs/decisions/0012).
    """
    splits: list[_Split] = []
    known, n_events = data, len(data.customers)
    most = params.most_splits if n_events <= params.few_events else 1
    while len(splits) < most and len(known.customers):
        period = HeldOutPeriod(known, params.seed + len(splits))
        rounds = _worthwhile(period, params)
        known = period.known
        if not rounds or (splits and 2 * len(known.customers) < n_events):
            break
        splits.append(_Split(period, rounds))
        if all(len(asked) >= min(params.most_questions, MOST_BASKETS) for asked in rounds):
            break
    return splits


@dataclass(frozen=True, eq=False)
class _DrawnUp:
    """Examples of contexts, all that there are of them, and what newcomers ask where that was drawn up with them."""

    by_context: dict[RerankContext, ContextExamples]
    of_newcomers: HoldoutEval | None = None


def _examples(
    splits: Sequence[_Split],
    data: Interactions,
    kind_weights: FloatArray,
    algorithms: Callable[[], list[Algorithm]],
    progress: Progress,
    threads: int,
    params: RerankerParams,
    feedback: ShownFeedback | None,
) -> Iterator[_DrawnUp]:
    """Fit the algorithms on what each split knows; yield examples of what is asked of it.

    Of one split, those of each round as soon as they are drawn up, so that not all are in memory; of several, all.
    """
    gathered = _DrawnUp({})
    names: dict[RerankContext, tuple[str, ...]] = {}
    evaluated = evaluated_customers(splits[0].rounds, data.n_customers, params.seed) if splits else None
    done, left, until = 0, len(splits), LATEST
    for split in splits:
        known = replace(split.period.known, kind_weights=kind_weights)
        chosen = [each for each in algorithms() if each.name not in TOLD and has_input(each, known)]
        steps = done + left * (len(chosen) + len(split.rounds))
        say = partial(_shifted, progress, done, steps)
        model = train(known, chosen, say, threads=threads)
        trainer = RerankerTrainer(model, known, split.period.there, params, evaluated=evaluated)
        names = names or trainer.names
        if trainer.names != names:
            break
        for number, asked in enumerate(split.rounds):
            say(f"reranker for {' and '.join(asked.asked)}", len(chosen) + number, steps)
            drawn_up = _of_round(trainer, asked, threads, params, newcomers_too=split is splits[0])
            if feedback is not None:
                feedback.draw_up(trainer, drawn_up.by_context, asked.target, split.period, until, threads)
            if len(splits) == 1:
                yield drawn_up
            else:
                gathered = _with(gathered, drawn_up, first=split is splits[0])
        done, left, until = done + len(chosen) + len(split.rounds), left - 1, split.period.known.now
    yield gathered


def _of_round(
    trainer: RerankerTrainer, asked: EvalRound, threads: int, params: RerankerParams, *, newcomers_too: bool
) -> _DrawnUp:
    """Draw the examples of a round up, and what newcomers ask of discovery."""
    with threadpool_limits(limits=threads):
        of_newcomers = None
        if newcomers_too and RerankContext.EVERYTHING in asked.asked:
            made = newcomers(asked.asked[RerankContext.EVERYTHING], params.seed)
            of_newcomers = trainer.evaluation_of(RerankContext.DISCOVERY, made, asked.target)
        return _DrawnUp(trainer.examples(asked), of_newcomers)


def _with(gathered: _DrawnUp, drawn_up: _DrawnUp, *, first: bool) -> _DrawnUp:
    """Return examples with those of a further round: contexts that the first split has not are left out."""
    for context, examples in drawn_up.by_context.items():
        if context in gathered.by_context:
            gathered.by_context[context].extend(examples)
        elif first:
            gathered.by_context[context] = examples
    return replace(gathered, of_newcomers=gathered.of_newcomers or drawn_up.of_newcomers)


def _shifted(progress: Progress, before: int, steps: int, stage: str, done: int, _: int) -> None:
    progress(stage, before + done, steps)


def _worthwhile(later: HeldOutPeriod, params: RerankerParams) -> list[EvalRound]:
    """Return what there are enough questions of."""
    rounds = (
        later.of_customers(params.most_questions),
        later.of_baskets(min(params.most_questions, MOST_BASKETS)),
        later.of_sessions(params.most_questions),
    )
    return [
        asked
        for asked in rounds
        if any(len(answerable(questions)) >= FEWEST_EVALUATED for questions in asked.asked.values())
    ]


def _kind_weights(split: _Split, threads: int) -> FloatArray:
    """Return how much the kinds of events say, learned from what customers newly obtained."""
    asked = [question for each in split.rounds for question in each.asked.get(RerankContext.DISCOVERY, [])]
    with threadpool_limits(limits=threads):
        return learn_kind_weights(split.period.known, answerable(asked))
