"""What rerankers gain by learning from shown lists, on logged lists of after the cutoff.

Rerankers are trained on what was known at the cutoff, as `quintet train` does, with the lists of before it and without
them. Both order the items of the lists that were shown after it. What shoppers chose of them is weighted by the inverse
of the probability that they looked at its place, as the lists of before the cutoff tell it: a response to a place that
is seldom looked at counts for those that nobody saw.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms.base import Algorithm, Interactions
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit
from services.recommendation.evaluation.report import plain
from services.recommendation.holdout.paired import PairedGain, ratio_gain
from services.recommendation.holdout.protocols import products_of
from services.recommendation.holdout.tasks import ProgressCallback
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.model import Reranker
from services.recommendation.training.eval_rounds import PastShoppers
from services.recommendation.training.fit import has_input, train
from services.recommendation.training.reranker_params import RerankerParams
from services.recommendation.training.reranker_trainer import RerankerTrainer
from services.recommendation.training.reranker_training import TOLD, RerankerTrainingResult, train_rerankers
from services.recommendation.training.shown_choice import FEWEST_LISTS
from services.recommendation.training.shown_examples import ShownExamples, click_sums
from services.recommendation.training.shown_feedback import ShownFeedback
from services.recommendation.training.shown_impressions import bias_facts

FEWEST_TESTED = 50
"""Lists with a response after the cutoff below which nothing is measured."""
METRICS = ("ndcg", "mrr")
WITH, WITHOUT = "with event feedback", "without event feedback"


def evaluate_shown(
    split_data: TrainTestSplit,
    algorithms: Callable[[], list[Algorithm]],
    progress: ProgressCallback,
    *,
    threads: int,
    resamples: int,
    seed: int = 0,
    params: RerankerParams | None = None,
) -> dict[str, Any]:
    """Measure what learning from shown lists brings.

    Parameters
    ----------
    split_data : TrainTestSplit
        With the lists that shoppers saw.
    algorithms : callable
        Makes the unfitted algorithms.
    progress : callable
        Called with what is done now and the fraction done.
    threads : int
        Of the algorithms; at least 1.
    resamples, seed : int
        Of the intervals.
    params : RerankerParams, optional
        How rerankers are trained.

    Returns
    -------
    dict
        JSON-able. `skipped` says why nothing was measured, or: `contexts` with what the training says of each,
        `rows` and `differences` with context, metric (`ndcg` or `mrr`), value and interval, and `position_bias`.
    """
    shown = split_data.shown
    counts = (0, 0)
    if shown is not None:
        answered, late = shown.answered, shown.times >= split_data.cutoff
        counts = (int((answered & ~late).sum()), int((answered & late).sum()))
    if shown is None or counts[0] < FEWEST_LISTS or counts[1] < FEWEST_TESTED:
        return {"skipped": _too_few(*counts)}
    learned = train_rerankers(
        split_data.train,
        algorithms,
        lambda stage, done, total: progress(stage, 0.6 * done / max(total, 1)),
        threads=threads,
        params=params,
        shown=shown.where(~late),
        keep_organic=True,
    )
    contexts = {name: facts["event_feedback"] for name, facts in learned.reports.items() if "event_feedback" in facts}
    found = {"contexts": contexts, "rows": [], "differences": [], "position_bias": bias_facts(learned.biases)}
    changed = [context for context, each in learned.organic.items() if each is not learned.learned.rerankers[context]]
    if changed:
        progress("fitting", 0.6)
        tested = ShownFeedback.of_lists(shown.where(late), learned.biases)
        for context, examples in _examples(split_data, algorithms, learned, tested, changed, threads, params).items():
            rerankers = {WITH: learned.learned.rerankers[context], WITHOUT: learned.organic[context]}
            _add(found, context, examples, rerankers, resamples, seed)
    return found


def _too_few(before: int, after: int) -> str:
    return (
        f"{before:,} lists with a response before the cutoff and {after:,} after it are logged; "
        f"{FEWEST_LISTS:,} and {FEWEST_TESTED:,} are needed"
    )


def _examples(
    split_data: TrainTestSplit,
    algorithms: Callable[[], list[Algorithm]],
    learned: RerankerTrainingResult,
    tested: ShownFeedback,
    contexts: Sequence[RerankContext],
    threads: int,
    params: RerankerParams | None,
) -> dict[RerankContext, ShownExamples]:
    """Return the tested lists of each context with the features that rerankers trained at the cutoff read."""
    known = replace(split_data.train, kind_weights=learned.kind_weights)
    chosen = [each for each in algorithms() if each.name not in TOLD and has_input(each, known)]
    model = train(known, chosen, threads=threads)
    there = (products_of(known) > 0) | (known.added <= known.now)
    trainer = RerankerTrainer(model, known, there, params or RerankerParams())
    pasts = PastShoppers(_joined(split_data.train, split_data.test))
    with threadpool_limits(limits=threads):
        drawn_up = {
            context: tested.examples(trainer, context, learned.learned.rerankers[context].target, pasts)
            for context in contexts
        }
    return {context: each for context, each in drawn_up.items() if each is not None}


def _add(
    found: dict[str, Any],
    context: RerankContext,
    examples: ShownExamples,
    rerankers: Mapping[str, Reranker],
    resamples: int,
    seed: int,
) -> None:
    """Add what both rerankers gain, and the difference."""
    sums = {name: click_sums(examples, each.trees.values(examples.features)) for name, each in rerankers.items()}
    gain = partial(ratio_gain, clusters=examples.customers, resamples=resamples, seed=seed)
    for metric in METRICS:
        gained = {name: getattr(each, metric) for name, each in sums.items()}
        ideal = getattr(sums[WITH], f"ideal_{metric}")
        base = {"context": context.value, "metric": metric, "lists": len(examples)}
        for name, own in gained.items():
            found["rows"].append({**base, "algorithm": name, **_interval(gain(own, np.zeros_like(own), ideal))})
        change = gain(gained[WITH], gained[WITHOUT], ideal)
        compared = {"algorithm": WITH, "versus": WITHOUT, **_interval(change), "p_value": plain(change.p_value)}
        found["differences"].append(base | compared)


def _interval(gain: PairedGain) -> dict[str, float | None]:
    return {"value": plain(gain.value), "low": plain(gain.low), "high": plain(gain.high)}


def _joined(train_data: Interactions, test: Interactions) -> Interactions:
    """Return the events of both, in the rows of the first."""
    names = ("customers", "products", "kinds", "quantities", "times", "baskets")
    joined: dict[str, Any] = {name: np.concatenate([getattr(train_data, name), getattr(test, name)]) for name in names}
    return replace(train_data, **joined)
