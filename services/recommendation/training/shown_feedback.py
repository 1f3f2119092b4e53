"""The event feedback of rerankers: shown lists that are drawn up beside the organic questions of each split of time."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms.arrays import Mask
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.holdout.protocols import customers_of
from services.recommendation.reranker.contexts import CONTEXT_OF_PAGE, RerankContext
from services.recommendation.training.eval_rounds import HeldOutPeriod, PastShoppers
from services.recommendation.training.position_bias import PositionBias
from services.recommendation.training.reranker_trainer import ContextExamples, RerankerTrainer
from services.recommendation.training.shown_examples import ShownExamples, examined, response_weights
from services.recommendation.training.shown_impressions import position_biases
from services.recommendation.training.shown_lists import PAGES, ShownLists
from shared.page_rules import Page

LATEST = np.iinfo(np.int64).max
"""After every list."""
MOST_LISTS = 10_000
"""Lists with a response that a context learns from, at most, the latest: they bound time and memory."""


@dataclass(eq=False)
class ShownFeedback:
    """Shown lists with a response, and the position bias of their pages.

    Parameters
    ----------
    shown : ShownLists
        With a response, of customers who did something; only items that were perhaps looked at.
    biases : dict of Page to PositionBias
        Of each page.
    seconds : float
        Seconds that were spent.
    """

    shown: ShownLists
    biases: dict[Page, PositionBias] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def of(cls, shown: ShownLists, data: Interactions) -> Self:
        """Estimate the position bias from all lists, and keep those with a response."""
        started = time.perf_counter()
        shown = shown.where(customers_of(data)[shown.customers] > 0)
        biases = position_biases(shown, data)
        return replace(cls.of_lists(shown, biases), seconds=time.perf_counter() - started)

    @classmethod
    def of_lists(cls, shown: ShownLists, biases: dict[Page, PositionBias]) -> Self:
        """Keep the lists with a response, and of them what was perhaps looked at by a known position bias."""
        answered = shown.where(shown.answered)
        return cls(answered.only(examined(answered, biases)), biases)

    def draw_up(
        self,
        trainer: RerankerTrainer,
        by_context: Mapping[RerankContext, ContextExamples],
        target: Kind,
        period: HeldOutPeriod,
        until: int,
        threads: int,
    ) -> None:
        """Give contexts the lists that were made from the split on, before `until`, in Unix seconds.

        The algorithms of the trainer know nothing of that time, and the shoppers nothing of what came after a list.
        """
        started = time.perf_counter()
        within = (self.shown.times >= period.known.now) & (self.shown.times < until)
        for context, examples in by_context.items():
            with threadpool_limits(limits=threads):
                examples.shown = self.examples(trainer, context, target, period.pasts, within)
        self.seconds += time.perf_counter() - started

    def examples(
        self,
        trainer: RerankerTrainer,
        context: RerankContext,
        target: Kind,
        pasts: PastShoppers,
        within: Mask | None = None,
    ) -> ShownExamples | None:
        """Return the latest lists of a context's pages, of those that a mask of shape (n_lists,) selects."""
        of_context = pages_of(context)[self.shown.pages]
        shown = self.shown.where(of_context if within is None else within & of_context)
        shown = shown.where(np.arange(len(shown)) >= len(shown) - MOST_LISTS)
        weights = response_weights(shown, self.biases)
        return trainer.shown_examples(context, target, shown, pasts, weights)


def pages_of(context: RerankContext) -> Mask:
    """Return which of `PAGES` the reranker of a context orders."""
    return np.array([CONTEXT_OF_PAGE[page] is context for page in PAGES])
