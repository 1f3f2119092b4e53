"""Whether a reranker learns from shown lists beside the organic questions, and how much each of them counts.

Rerankers are learned without the lists and with them at several weights. One with them is taken if all hold:

- On the latest shown lists, from which none of them learned, its order gains more of what was chosen than the order
  without: the whole interval of the paired bootstrap over customers is above 0. Responses are weighted by the inverse
  of the probability that they were looked at.
- On the organic questions of the evaluation it is not worse beyond chance: the interval of the paired difference of
  NDCG is not wholly below 0.
- It passes the evaluation that every reranker has to pass.

Of several such weights the one with the best order of the latest lists is taken. The test of `quintet evaluate` takes
no part in the choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from services.recommendation.algorithms.arrays import Mask
from services.recommendation.holdout.paired import PairedGain, paired_gain, ratio_gain
from services.recommendation.training.boosting import Candidate, fit_candidate
from services.recommendation.training.holdout_eval import Found, HoldoutEval
from services.recommendation.training.ltr_dataset import LtrDataset
from services.recommendation.training.reranker_params import RerankerParams
from services.recommendation.training.shown_examples import ClickSums, ShownExamples, click_sums

SHARES = (0.2, 1.0)
"""Weights of all responses together over that of all organic questions that are compared."""
MOST_MIX = 4.0
"""Most that a response weighs beside an organic question, however few there are."""
FEWEST_LISTS = 300
"""Lists with a response below which nothing is learned from them."""
HELD_OUT = 0.25
"""Share of the lists with a response that are not learned from until the choice is made: the latest."""


@dataclass(frozen=True, eq=False)
class ShownChoice:
    """What was chosen.

    Parameters
    ----------
    candidate : Candidate
        The reranker to use, with or without the lists.
    found : Found
        How it does on the organic questions of the evaluation.
    mix : float
        Weight of a response beside an organic question; 0 where the lists are not learned from.
    facts : dict
        JSON-able: `event_feedback`, a sentence, and the metrics of both.
    """

    candidate: Candidate
    found: Found
    mix: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Trial:
    """A reranker with the lists at a weight, its gains over that without, and whether it passes the evaluation."""

    candidate: Candidate
    mix: float
    found: Found
    sums: ClickSums
    of_clicks: PairedGain
    of_organic: PairedGain

    usable: bool

    @property
    def harms(self) -> bool:
        return self.of_organic.high < 0.0 or not self.usable

    @property
    def passes(self) -> bool:
        return self.of_clicks.better and not self.harms


def choose_mix(
    without: Candidate,
    organic: Sequence[LtrDataset],
    shown: ShownExamples | None,
    evaluation: HoldoutEval,
    evaluated: Mask,
    passes: Callable[[Found], bool],
    params: RerankerParams,
) -> ShownChoice:
    """Choose whether to learn from shown lists.

    Parameters
    ----------
    without : Candidate
        Learned from the organic questions alone.
    organic : sequence of LtrDataset
        These questions.
    shown : ShownExamples, optional
        Lists with a response; None where nothing is logged.
    evaluation : HoldoutEval
        Organic questions of customers from whom nothing was learned.
    evaluated : ndarray of shape (n_customers,), bool
        These customers; their lists are not learned from either.
    passes : callable
        Says of what is found on the organic questions whether the reranker may be used.
    params : RerankerParams
        How rerankers are trained.
    """
    base = evaluation.of_reranker(without.reranker)
    lists = 0 if shown is None else len(shown)
    if shown is None or lists < FEWEST_LISTS:
        return _not_used(without, base, f"{lists:,} lists with a response, {FEWEST_LISTS:,} are needed")
    held, learned = _split(shown, evaluated)
    responses = learned.dataset()
    before = click_sums(held, without.reranker.trees.values(held.features))
    trials = []
    for mix in _mixes(organic, responses):
        parts = [*organic, responses.weighted(mix)]
        candidate = fit_candidate(parts, without.reranker.algorithms, without.reranker.target, params)
        if candidate is not None:
            trials.append(_trial(candidate, mix, held, before, evaluation, base, passes))
    best = max(trials, key=lambda trial: (trial.passes, trial.of_clicks.value))
    facts = _facts(best, before)
    if not best.passes:
        why = "it is worse on organic questions" if best.harms else "it does not predict held-out clicks better"
        return _not_used(without, base, f"{why} ({lists:,} lists with a response)", facts)
    said = f"learned from {lists:,} lists with a response, each {best.mix:.2g} times an organic question"
    return ShownChoice(best.candidate, best.found, best.mix, {"event_feedback": said, **facts})


def _mixes(organic: Sequence[LtrDataset], responses: LtrDataset) -> list[float]:
    """Return the weights of a response that are compared, each once."""
    asked = sum(int((part.sizes > 0).sum()) for part in organic)
    return sorted({min(share * asked / max(len(responses.sizes), 1), MOST_MIX) for share in SHARES})


def _split(shown: ShownExamples, evaluated: Mask) -> tuple[ShownExamples, ShownExamples]:
    """Return the latest lists, and the earlier ones of customers who are not evaluated."""
    cut = np.quantile(shown.times, 1.0 - HELD_OUT, method="higher")
    late: Mask = shown.times >= cut
    return shown.where(late), shown.where(~late & ~evaluated[shown.customers])


def _trial(
    candidate: Candidate,
    mix: float,
    held: ShownExamples,
    before: ClickSums,
    evaluation: HoldoutEval,
    base: Found,
    passes: Callable[[Found], bool],
) -> _Trial:
    sums = click_sums(held, candidate.reranker.trees.values(held.features))
    found = evaluation.of_reranker(candidate.reranker)
    of_clicks = ratio_gain(sums.ndcg, before.ndcg, sums.ideal_ndcg, held.customers)
    of_organic = paired_gain(found["ndcg"], base["ndcg"], evaluation.clusters)
    return _Trial(candidate, mix, found, sums, of_clicks, of_organic, passes(found))


def _not_used(without: Candidate, base: Found, why: str, facts: dict[str, Any] | None = None) -> ShownChoice:
    return ShownChoice(without, base, 0.0, {"event_feedback": f"not used: {why}", **(facts or {})})


def _facts(best: _Trial, before: ClickSums) -> dict[str, Any]:
    total = before.ideal_ndcg.sum()
    return {
        "clicks_ndcg.with_feedback": round(float(best.sums.ndcg.sum() / total), 4),
        "clicks_ndcg.without_feedback": round(float(before.ndcg.sum() / total), 4),
        "clicks_ndcg_gain.with_feedback": _rounded(best.of_clicks),
        "ndcg_gain.with_feedback": _rounded(best.of_organic),
    }


def _rounded(gain: PairedGain) -> list[float]:
    return [round(each, 4) for each in (gain.value, gain.low, gain.high)]


def refit_parts(parts: Sequence[LtrDataset], shown: ShownExamples | None, mix: float) -> list[LtrDataset]:
    """Return what the chosen reranker learns from: the organic questions, and all lists where they are used."""
    return [*parts, shown.dataset().weighted(mix)] if shown is not None and mix > 0 else [*parts]
