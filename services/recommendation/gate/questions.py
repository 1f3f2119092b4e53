"""What is asked of stored models: what shoppers did in a span of time that none of them has learned from."""

from collections.abc import Mapping
from dataclasses import dataclass

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.holdout.intervals import clusters_of
from services.recommendation.holdout.splits import Split
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.training.eval_rounds import HeldOutPeriod
from services.recommendation.training.reranker_trainer import answerable
from shared.page_rules import Page

CONTEXTS: Mapping[Page, RerankContext] = {
    Page.HOME: RerankContext.DISCOVERY,
    Page.PRODUCT: RerankContext.SESSION,
}
"""The pages that are asked, and the context that asks."""


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions by page, in the rows of a dataset, and what was known when they were asked.

    Parameters
    ----------
    known : Interactions
    by_page : mapping of Page to list of EvalCase
        Each question has a target.
    """

    known: Interactions
    by_page: Mapping[Page, list[EvalCase]]

    def __len__(self) -> int:
        return sum(map(len, self.by_page.values()))

    @property
    def pages(self) -> list[str]:
        """The page of each question, those of a page together."""
        return [page.value for page, asked in self.by_page.items() for _ in asked]

    @property
    def clusters(self) -> Longs:
        """The customer of each question, shape (n,), in the same order."""
        asked = [question for each in self.by_page.values() for question in each]
        return clusters_of(asked)


def questions_after(data: Interactions, cutoff: int, most: int, until: int | None = None, seed: int = 0) -> Questions:
    """Return what customers obtained first, and what they looked at next, from a moment on.

    Parameters
    ----------
    data : Interactions
        All there is.
    cutoff : int
        Unix seconds: what was before is known.
    most : int
        Questions of each page, at most; drawn by chance of more.
    until : int, optional
        Unix seconds, exclusive; by default to the end.
    seed : int
        Of the draw.
    """
    if until is not None:
        data = data.where(data.times < until)
    known = data.times < cutoff
    if known.all() or not known.any():
        return Questions(data, {})
    period = HeldOutPeriod(data, seed, Split(known, ~known, cutoff))
    rounds = {Page.HOME: period.of_customers(most), Page.PRODUCT: period.of_sessions(most)}
    asked = {page: answerable(each.asked[CONTEXTS[page]]) for page, each in rounds.items()}
    return Questions(period.known, {page: cases for page, cases in asked.items() if cases})
