"""Draws shown lists up as examples: candidates as their page would have had them, with the items that were shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.shopper_scores import ShopperScores
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker import features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.training.eval_rounds import PastShoppers
from services.recommendation.training.shown_examples import ShownExamples
from services.recommendation.training.shown_lists import PAGES, ShownLists
from services.recommendation.training.shown_shoppers import case_of_list


@dataclass(frozen=True, eq=False)
class ShownDrawing:
    """Lists of one context that are drawn up batch by batch.

    Parameters
    ----------
    shown : ShownLists
        With a response each.
    pasts : PastShoppers
        What the customers did before any moment.
    weights : ndarray of shape (n_items,), float32
        Inverse of the probability that each item was looked at.
    there : ndarray of shape (n_products,), bool
        Products that may be candidates: the other items of a list are left out.
    item_features : ItemFeatures
        Of all products.
    """

    shown: ShownLists
    pasts: PastShoppers
    weights: FloatArray
    there: Mask
    item_features: ItemFeatures

    def cases(self, start: int, stop: int) -> dict[int, EvalCase]:
        """Return the questions of some of the lists by the place of the list; without those that say nothing."""
        found: dict[int, EvalCase] = {}
        for place in range(start, min(stop, len(self.shown))):
            items = self._items(place)
            chosen = items[self.shown.grades[items] > 0]
            if len(items) > 1 and len(chosen):
                page, products = PAGES[self.shown.pages[place]], self.shown.products
                customer, moment = int(self.shown.customers[place]), int(self.shown.times[place])
                case = case_of_list(page, self.pasts, customer, moment, products[items], products[chosen])
                found |= {} if case is None else {place: case}
        return found

    def examples(
        self, cases: Mapping[int, EvalCase], scores: Mapping[str, Sequence[ShopperScores]], depth: int, target: Kind
    ) -> ShownExamples:
        """Return the examples of questions, at least one, whose shoppers have these scores by the context's scorers.

        Ranks and shares are those among all candidates of the page, as the reranker reads them when it serves.
        """
        asked = list(cases.values())
        items = [self._items(place) for place in cases]
        rows = [self.shown.products[each] for each in items]
        candidates = Candidates.of_sparse(scores, self.there, [case.excluded for case in asked], depth, rows)
        n_products = len(self.there)
        wanted = np.concatenate([at * n_products + each.astype(np.int64) for at, each in enumerate(rows)])
        chosen = candidates.where(np.isin(candidates.owners * n_products + candidates.products, wanted))
        histories = ShopperHistories.of([case.shopper for case in asked])
        places, of_items = np.array(list(cases), np.int64), np.concatenate(items)
        return ShownExamples(
            features.table(chosen, histories, self.item_features, target),
            chosen.owners,
            chosen.products,
            self.shown.grades[of_items],
            self.weights[of_items],
            self.shown.customers[places].astype(np.int64),
            self.shown.times[places],
        )

    def _items(self, place: int) -> Longs:
        """Return the places of a list's items that may be candidates, by product."""
        first, last = np.searchsorted(self.shown.owners, [place, place + 1])
        items = np.arange(first, last)
        return items[self.there[self.shown.products[first:last]]]
