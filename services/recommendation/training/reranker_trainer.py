"""The trainer of rerankers: the same for `quintet train`, which serves them, and for `quintet evaluate`.

In training each context is evaluated on a fifth of the customers, from whom that reranker learns nothing. It is
kept if its mean NDCG is above that of the fixed weights of the start, which would order the page in its place, and if
the best single algorithm is not better than it by the paired bootstrap over customers: the whole interval of the
difference would be below 0. What is kept is trained again on all questions.

Where enough shown lists have a response, `shown_choice` says whether it learns from them too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import FloatArray, Mask
from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.algorithms.shopper_scores import ShopperScores
from services.recommendation.holdout.paired import gain_over_best, paired_gain
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.models.model import Model
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Reranker, batch_size, sparse_scores_by_algorithm
from services.recommendation.reranker.popularity_prior import batch_scorers
from services.recommendation.reranker.scorers import scorer_names
from services.recommendation.training.boosting import Candidate, fit_candidate, refit
from services.recommendation.training.eval_rounds import EvalRound, PastShoppers
from services.recommendation.training.holdout_eval import POPULAR, EvalBatch, Found, HoldoutEval, report
from services.recommendation.training.ltr_dataset import LtrDataset, build_ltr_dataset
from services.recommendation.training.purchase_rates import learn_rate_slope
from services.recommendation.training.reranker_params import RerankerParams
from services.recommendation.training.shown_choice import ShownChoice, choose_mix, refit_parts
from services.recommendation.training.shown_drawing import ShownDrawing
from services.recommendation.training.shown_examples import ShownExamples
from services.recommendation.training.shown_lists import ShownLists

FEWEST_QUESTIONS = 100
"""Questions of a context below which nothing is learned for it."""
FEWEST_EVALUATED = 20
"""Evaluated questions below which nothing is reported of a context: the differences would be chance."""
EVALUATED = 5
"""One customer of so many is evaluated."""
MOST_EVALUATED = 1_000
"""Questions of a context that are evaluated, about."""


class RerankerTrainer:
    """Draws up training examples from algorithms that were fitted without the answers.

    Parameters
    ----------
    model : Model
        The algorithms, fitted on `known`.
    known : Interactions
        What was known before the questions.
    there : ndarray of shape (n_products,), bool
        Products that may be candidates.
    params : RerankerParams
        How rerankers are trained.
    timed : bool
        Whether the times of `known` are moments.
    evaluated : ndarray of shape (n_customers,), bool, optional
        Customers who are held back for the evaluation, as `evaluated_customers` gives them; default nobody.

    Attributes
    ----------
    names : dict of RerankContext to tuple of str
        The scorers whose scores are features, by context.
    """

    def __init__(
        self,
        model: Model,
        known: Interactions,
        there: Mask,
        params: RerankerParams,
        *,
        timed: bool = True,
        evaluated: Mask | None = None,
    ) -> None:
        self._scorers = batch_scorers(model.algorithms, model.n_products)
        self.names = {context: scorer_names(self._scorers, context) for context in RerankContext}
        self._known = known
        self._there = there
        self._params = params
        self._timed = timed
        self._evaluated: Mask = np.zeros(known.n_customers, np.bool_) if evaluated is None else evaluated

    def examples(self, asked: EvalRound) -> "dict[RerankContext, ContextExamples]":
        """Return for each context the examples to learn from, and the evaluation."""
        item_features = ItemFeatures.of(self._known, asked.target, timed=self._timed)
        found = {
            context: ContextExamples(
                questions, self.names[context], item_features, asked.target, self._params, self._evaluated
            )
            for context, questions in asked.asked.items()
        }
        every = tuple(dict.fromkeys(name for context in found for name in self.names[context]))
        size = batch_size(self._known.n_products)

        def of(start: int) -> "list[tuple[EvalBatch, LtrDataset, LtrDataset]]":
            rng = np.random.default_rng([self._params.seed, start])
            part = slice(start, start + size)
            scores = sparse_scores_by_algorithm(self._scorers, every, asked.shoppers(start, start + size))
            return [each.drawn_up(scores, part, self._there, self._evaluated, rng) for each in found.values()]

        for parts in parallel.each_forked(of, range(0, len(asked), size)):
            for each, part in zip(found.values(), parts, strict=True):
                each.take(*part)
        return found

    def shown_examples(
        self, context: RerankContext, target: Kind, shown: ShownLists, pasts: PastShoppers, weights: FloatArray
    ) -> ShownExamples | None:
        """Return lists with a response as examples for the reranker of a context; None where there are none.

        Left out are lists of which it is not known what the page was about, and those with one known item or no
        response to one.

        Parameters
        ----------
        context : RerankContext
            The context.
        target : Kind
            The kind of event that its reranker leads to.
        shown : ShownLists
            Lists with a response on pages of the context, made after what is known.
        pasts : PastShoppers
            What the customers did before any moment.
        weights : ndarray of shape (n_items,), float32
            Inverse of the probability that each item was looked at.
        """
        drawing = ShownDrawing(shown, pasts, weights, self._there, ItemFeatures.of(self._known, target, self._timed))
        names, size = self.names[context], batch_size(self._known.n_products)

        def of(start: int) -> ShownExamples | None:
            cases = drawing.cases(start, start + size)
            scores = sparse_scores_by_algorithm(self._scorers, names, [case.shopper for case in cases.values()])
            return drawing.examples(cases, scores, self._params.depth, target) if cases else None

        parts = parallel.each_forked(of, range(0, len(shown), size))
        there = [part for part in parts if part is not None and len(part)]
        return ShownExamples.joined(there) if there else None

    def evaluation_of(self, context: RerankContext, questions: Sequence[EvalCase], target: Kind) -> HoldoutEval:
        """Return an evaluation of the context's reranker by questions that nothing is learned from.

        Questions without targets are left out.
        """
        names = self.names[context]
        item_features = ItemFeatures.of(self._known, target, timed=self._timed)
        size = batch_size(self._known.n_products)

        def of(start: int) -> EvalBatch:
            batch = questions[start : start + size]
            scores = sparse_scores_by_algorithm(self._scorers, names, [question.shopper for question in batch])
            excluded = [question.excluded for question in batch]
            candidates = Candidates.of_sparse(scores, self._there, excluded, self._params.depth)
            return EvalBatch.of(candidates, batch, np.flatnonzero(_with_targets(batch)), item_features, target)

        evaluation = HoldoutEval(names)
        for batch in parallel.each_forked(of, range(0, len(questions), size)):
            evaluation.add(batch)
        return evaluation


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What came of an evaluation.

    Parameters
    ----------
    reranker : Reranker or None
        The one to use, if one passes.
    facts : dict
        The report, JSON-able.
    organic : Reranker or None
        Where asked for, the one that learned from organic questions alone: `reranker` itself where that did so.
    """

    reranker: Reranker | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    organic: Reranker | None = None


class ContextExamples:
    """The examples of one context: those to learn from, and those of the evaluation.

    Attributes
    ----------
    examples : list of LtrDataset
        To learn from.
    shown : ShownExamples or None
        Lists with a response, to learn from beside them.
    """

    def __init__(
        self,
        questions: list[EvalCase],
        names: tuple[str, ...],
        item_features: ItemFeatures,
        target: Kind,
        params: RerankerParams,
        customers: Mask,
    ) -> None:
        self.examples: list[LtrDataset] = []
        self.shown: ShownExamples | None = None
        self._questions = questions
        self._names = names
        self._item_features = item_features
        self._target = target
        self._params = params
        self._learns = len(answerable(questions)) >= FEWEST_QUESTIONS
        self._held_back: list[LtrDataset] = []
        self._evaluation = HoldoutEval(names)
        self._customers = customers

    def drawn_up(
        self,
        scores: Mapping[str, Sequence[ShopperScores]],
        part: slice,
        there: Mask,
        evaluated: Mask,
        rng: np.random.Generator,
    ) -> tuple[EvalBatch, LtrDataset, LtrDataset]:
        """Return the evaluation, the examples to learn from and those that are held back, of some of the questions.

        Parameters
        ----------
        scores : mapping of str to sequence of ShopperScores
            The scores of the shoppers of these questions, by all scorers of this context at least.
        part : slice
            Which questions.
        there : ndarray of shape (n_products,), bool
            Products that may be candidates.
        evaluated : ndarray of shape (n_customers,), bool
            Customers who are evaluated; all are where there are too few questions to learn from.
        rng : Generator
            Draws candidates that were not right.
        """
        batch = self._questions[part]
        own = {name: scores[name] for name in self._names}
        candidates = Candidates.of_sparse(own, there, [question.excluded for question in batch], self._params.depth)
        held_back = evaluated[[question.customer for question in batch]]
        places = np.flatnonzero((held_back | (not self._learns)) & _with_targets(batch))
        evaluation = EvalBatch.of(candidates, batch, places, self._item_features, self._target)
        examples = build_ltr_dataset(candidates, batch, self._item_features, self._target, self._params, rng)
        return evaluation, examples.where(~held_back), examples.where(held_back)

    def extend(self, earlier: "ContextExamples") -> None:
        """Learn from the examples of an earlier split as well; its evaluation is not used."""
        self.examples += earlier.examples
        self._held_back += earlier._held_back
        shown = [each for each in (earlier.shown, self.shown) if each is not None]
        self.shown = ShownExamples.joined(shown) if shown else None

    def take(self, evaluation: EvalBatch, examples: LtrDataset, held_back: LtrDataset) -> None:
        """Add what was drawn up of a batch."""
        self._evaluation.add(evaluation)
        self.examples.append(examples)
        self._held_back.append(held_back)

    def evaluated(self, *, keep_organic: bool = False) -> "Evaluated":
        """Return the reranker, if it passes the evaluation, and the report; {} where too few questions are asked.

        With `keep_organic` the reranker without the shown lists as well, where the one in use learned from them.
        """
        if len(self._evaluation) < FEWEST_EVALUATED:
            return Evaluated()
        candidate = fit_candidate(self.examples, self._names, self._target, self._params) if self._learns else None
        fixed, alone = self._evaluation.of_fixed_weights(self._params.depth), self._evaluation.of_algorithms()

        def passes(found: Found) -> bool:
            return self._compared(found, fixed, alone)[0]

        choice = self._chosen(candidate, passes) if candidate else None
        learned = choice.found if choice else fixed
        usable, gains = self._compared(learned, fixed, alone)
        kept = self._refit(choice) if usable and choice else None
        found = {"hybrid": learned if kept else fixed, "best": alone[gains["best"]]}
        found |= {POPULAR: alone[POPULAR]} if POPULAR in alone else {}
        used = [*self.examples, *self._held_back] if kept else self.examples if self._learns else []
        facts: dict[str, Any] = {
            "learned": kept is not None,
            "questions": sum(int((part.sizes > 0).sum()) for part in used),
            "evaluated": len(self._evaluation),
        }
        facts |= {"rate_slope": round(kept.rate_slope, 4)} if kept else {}
        facts |= gains | report(found | {"fixed": fixed}) | (choice.facts if choice else {})
        return Evaluated(kept, facts, self._organic(choice, candidate, kept) if keep_organic else None)

    def _organic(
        self, choice: ShownChoice | None, candidate: Candidate | None, kept: Reranker | None
    ) -> Reranker | None:
        """Return the reranker that would be used if there were no shown lists, if any."""
        if kept is None or choice is None or candidate is None or not choice.mix:
            return kept
        return refit(candidate, [*self.examples, *self._held_back], self._params)

    def _chosen(self, candidate: Candidate, passes: Callable[[Found], bool]) -> ShownChoice:
        evaluation, customers = self._evaluation, self._customers
        return choose_mix(candidate, self.examples, self.shown, evaluation, customers, passes, self._params)

    def _refit(self, choice: ShownChoice) -> Reranker:
        """Return the reranker that was chosen, grown on all there is."""
        parts = refit_parts([*self.examples, *self._held_back], self.shown, choice.mix)
        grown = refit(choice.candidate, parts, self._params)
        return replace(grown, rate_slope=learn_rate_slope(self._evaluation, choice.candidate.reranker))

    def _compared(self, learned: Found, fixed: Found, alone: dict[str, Found]) -> tuple[bool, dict[str, Any]]:
        """Return whether the reranker passes, and its gains of NDCG over the best algorithm and the fixed weights."""
        clusters = self._evaluation.clusters
        single = {name: values["ndcg"] for name, values in alone.items()}
        best, over_best = gain_over_best(learned["ndcg"], single, clusters)
        over_fixed = paired_gain(learned["ndcg"], fixed["ndcg"], clusters)
        gains = {"over_best": over_best, "over_fixed": over_fixed}
        rounded = {
            f"ndcg_gain.{name}": [round(each, 4) for each in (gain.value, gain.low, gain.high)]
            for name, gain in gains.items()
        }
        return over_fixed.value > 0.0 and not over_best.high < 0.0, {"best": best} | rounded


def evaluated_customers(rounds: Sequence[EvalRound], n_customers: int, seed: int) -> Mask:
    """Return the customers of whom the reranker is evaluated, shape (n_customers,), bool.

    A fifth of them, or fewer where a round asks so much that `MOST_EVALUATED` questions are reached: whole candidate
    lists are kept of each.
    """
    order = np.random.default_rng(seed).permutation(n_customers)
    fifth = order % EVALUATED == 0
    most = max((int(fifth[each.customers].sum()) for each in rounds), default=0)
    return np.asarray(order % (EVALUATED * max(-(-most // MOST_EVALUATED), 1)) == 0)


def answerable(questions: Sequence[EvalCase]) -> list[EvalCase]:
    """Return the questions that have targets."""
    return [question for question in questions if len(question.targets)]


def _with_targets(questions: Sequence[EvalCase]) -> Mask:
    return np.array([len(question.targets) > 0 for question in questions], dtype=bool)
