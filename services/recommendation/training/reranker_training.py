"""Learning the rerankers of a shop: on the last tenth of its time, from algorithms fitted on what was before.

Each context is examined on a fifth of the customers, from whom nothing is learned, beside every algorithm alone and the
fixed weights of the start. A reranker that does no better than those is left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import FloatArray, Mask
from services.recommendation.algorithms.base import Algorithm, Interactions, Kind, Shopper
from services.recommendation.holdout.protocols import rebuys
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.models.model import Model
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import NOTHING, RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import BatchScorer, Reranker, batch_size, score_by_algorithm, scorer_names
from services.recommendation.reranker.popularity_prior import popularity_prior
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.training.boosting import fit_reranker
from services.recommendation.training.eval_rounds import EvalRound, HeldOutPeriod
from services.recommendation.training.event_weights import learn_kind_weights
from services.recommendation.training.fit import Progress, has_input, train
from services.recommendation.training.holdout_eval import EvalBatch, HoldoutEval, report
from services.recommendation.training.ltr_dataset import LtrDataset, build_ltr_dataset
from services.recommendation.training.reranker_params import RerankerParams

FEWEST_QUESTIONS = 100
"""Questions of a context below which nothing is learned for it."""
FEWEST_EXAMINED = 20
"""Questions below which nothing is said of a context: chance would speak."""
MOST_QUESTIONS = 4000
MOST_CELLS = 2**28
"""Shoppers asked for a context, and scores of one algorithm for it: they bound the time."""
EXAMINED = 5
"""One customer of so many examines."""
SERVED = RerankerParams(depth=50)
"""As deep as pays: 100 products of each algorithm order no better, and take twice as long to answer."""
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
    params: RerankerParams = SERVED,
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
    school = _RerankerTrainer(model, known, later.there, params)
    with threadpool_limits(limits=threads):
        for number, asked in enumerate(rounds):
            progress(f"hybrid for {' and '.join(asked.asked)}", len(chosen) + number, steps)
            for context, course in school.courses(asked).items():
                reranker, found = course.result()
                rerankers |= {context: reranker} if reranker else {}
                reports |= {context.value: found} if found else {}
    targets = {reranker.target for reranker in rerankers.values()}
    item_features = {target: ItemFeatures.of(data, target, timed=True) for target in targets}
    return RerankerTrainingResult(RerankerModels(rerankers, item_features, rebuy_rate), known.kind_weights, reports)


def _worthwhile(later: HeldOutPeriod) -> list[EvalRound]:
    """Return what there are enough questions of."""
    most = min(MOST_QUESTIONS, max(1, MOST_CELLS // later.known.n_products))
    rounds = (later.of_customers(most), later.of_baskets(most), later.of_sessions(most))
    return [
        asked
        for asked in rounds
        if any(len(_answerable(questions)) >= FEWEST_EXAMINED for questions in asked.asked.values())
    ]


def _kind_weights(known: Interactions, rounds: Sequence[EvalRound], threads: int) -> FloatArray:
    """Return how much the kinds of events say, judged by what customers newly obtained."""
    asked = [question for each in rounds for question in each.asked.get(RerankContext.DISCOVERY, [])]
    with threadpool_limits(limits=threads):
        return learn_kind_weights(known, _answerable(asked))


class _WithPopularityPrior:
    """Likeness times how much a product is asked for, as the content algorithm answers when it serves."""

    def __init__(self, content: BatchScorer, prior: FloatArray) -> None:
        self._content = content
        self._prior = prior

    def score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        return self._content.score_many(shoppers) * self._prior


class _RerankerTrainer:
    """Algorithms fitted on what was known, and the courses over their scores."""

    def __init__(self, model: Model, known: Interactions, there: Mask, params: RerankerParams) -> None:
        self._scorings: dict[str, BatchScorer] = {**model.algorithms}
        if "content" in self._scorings:
            prior = popularity_prior(model.algorithms.get("popular"), model.n_products)
            self._scorings["content"] = _WithPopularityPrior(self._scorings["content"], prior)
        self._known = known
        self._there = there
        self._params = params
        rng = np.random.default_rng(params.seed)
        self._examiners: Mask = rng.permutation(known.n_customers) % EXAMINED == 0

    def courses(self, asked: EvalRound) -> "dict[RerankContext, _ContextTrainer]":
        """Return for each context what can be learned and examined."""
        item_features = ItemFeatures.of(self._known, asked.target, timed=True)
        # what follows the last product alone is no question where there is no page on which it is seen
        names = scorer_names(self._scorings) if RerankContext.SESSION in asked.asked else tuple(self._scorings)
        courses = {
            context: _ContextTrainer(questions, names, item_features, asked.target, self._params)
            for context, questions in asked.asked.items()
        }
        size = batch_size(self._known.n_products)

        def of(start: int) -> "list[tuple[EvalBatch, LtrDataset | None]]":
            rng = np.random.default_rng([self._params.seed, start])
            scores = score_by_algorithm(self._scorings, names, asked.shoppers(start, start + size), self._there)
            part = slice(start, start + size)
            return [course.drawn_up(scores, part, self._examiners, rng) for course in courses.values()]

        for parts in parallel.each(of, range(0, len(asked), size)):
            for course, part in zip(courses.values(), parts, strict=True):
                course.take(*part)
        return courses


class _ContextTrainer:
    """One context: the questions to learn from, and the exam."""

    def __init__(
        self,
        questions: list[EvalCase],
        names: tuple[str, ...],
        item_features: ItemFeatures,
        target: Kind,
        params: RerankerParams,
    ) -> None:
        self._questions = questions
        self._names = names
        self._item_features = item_features
        self._target = target
        self._params = params
        self._learns = len(_answerable(questions)) >= FEWEST_QUESTIONS
        self._lessons: list[LtrDataset] = []
        self._exam = HoldoutEval(names)

    def drawn_up(
        self, scores: dict[str, FloatArray], part: slice, examiners: Mask, rng: np.random.Generator
    ) -> tuple[EvalBatch, LtrDataset | None]:
        """Return what examines and what is learned from, of some of the questions with the scores of their shoppers.

        Excluded products lose their scores.
        """
        batch = self._questions[part]
        candidates = Candidates.of(scores, [question.excluded for question in batch], self._params.depth)
        examining = examiners[[question.customer for question in batch]] | (not self._learns)
        answerable = np.array([len(question.targets) > 0 for question in batch])
        places = np.flatnonzero(examining & answerable)
        sheet = EvalBatch.of(candidates, batch, places, self._item_features, self._target)
        if not self._learns:
            return sheet, None
        taught = [
            replace(question, targets=NOTHING) if examines else question
            for question, examines in zip(batch, examining.tolist(), strict=True)
        ]
        return sheet, build_ltr_dataset(candidates, taught, self._item_features, self._target, self._params, rng)

    def take(self, sheet: EvalBatch, taught: LtrDataset | None) -> None:
        """Take in what was drawn up."""
        self._exam.add(sheet)
        if taught is not None:
            self._lessons.append(taught)

    def result(self) -> tuple[Reranker | None, dict[str, Any]]:
        """Return what was learned, if it is better than fixed weights, and the report; {} for nothing to say."""
        if len(self._exam) < FEWEST_EXAMINED:
            return None, {}
        grown = fit_reranker(self._lessons, self._names, self._target, self._params)
        fixed, alone = self._exam.of_fixed_weights(self._params.depth), self._exam.of_algorithms()
        learned = self._exam.of_reranker(grown) if isinstance(grown, Reranker) else fixed
        better = float(learned["ndcg"].mean()) > float(fixed["ndcg"].mean())
        best = max(alone, key=lambda name: float(alone[name]["ndcg"].mean()))
        found = {"hybrid": learned if better else fixed, "best": alone[best]}
        found |= {"popular": alone["popular"]} if "popular" in alone else {}
        facts = {
            "learned": better,
            "questions": sum(int((part.sizes > 0).sum()) for part in self._lessons),
            "examined": len(self._exam),
            "best": best,
        }
        return (grown if better and isinstance(grown, Reranker) else None), facts | report(found | {"fixed": fixed})


def _answerable(questions: Sequence[EvalCase]) -> list[EvalCase]:
    return [question for question in questions if len(question.targets)]
