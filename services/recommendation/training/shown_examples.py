"""Learning-to-rank data of lists that shoppers saw: what they chose, against what they saw beside it.

Each item with a response is a question of its own: it should stand before the items of its list with a weaker response
or none. The question weighs the gain of the response over the probability that the item was looked at, so that
responses at late places count for those items that nobody looked at. Where the place was drawn by chance, it is over
the probability of the draw as well. Weights are clipped.

Source: Joachims, Swaminathan & Schnabel, "Unbiased learning-to-rank with biased feedback", WSDM 2017,
doi:10.1145/3018661.3018699.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.reranker.ranks import ranks_in_groups
from services.recommendation.training.ltr_dataset import LtrDataset
from services.recommendation.training.position_bias import PositionBias
from services.recommendation.training.shown_impressions import LEAST_PROPENSITY
from services.recommendation.training.shown_lists import PAGES, Grade, ShownLists
from shared.page_rules import Page

GAINS: FloatArray = np.array([2.0**grade - 1.0 for grade in Grade], np.float32)
"""Gain of a response by `Grade`: click 1, cart 3, purchase 7, as NDCG has it (doi:10.1145/582415.582418)."""
MOST_WEIGHT = 10.0
"""Most that a response weighs over one at the first, deterministic place."""


@dataclass(frozen=True, eq=False)
class ShownExamples:
    """Items of lists with a response, with the features that a reranker of their context reads.

    Parameters
    ----------
    features : ndarray of shape (n_items, n_features), float32
        As `features.table` gives them, at the moment of the list.
    owners, products : ndarray of shape (n_items,), int64
        Places of the items' lists, and rows, both ascending.
    grades : ndarray of shape (n_items,), int8
        `Grade` of each item.
    weights : ndarray of shape (n_items,), float32
        Inverse of the probability that the item was looked at where it stood, clipped; times what a click is worth.
    customers, times : ndarray of shape (n_lists,), int32 and int64
        Of each list: row, and Unix seconds.
    """

    features: FloatArray
    owners: Longs
    products: Longs
    grades: NDArray[np.int8]
    weights: FloatArray
    customers: Longs
    times: Longs

    def __len__(self) -> int:
        return len(self.customers)

    @property
    def gains(self) -> FloatArray:
        """Weighted gain of each item, shape (n_items,): 0 without a response."""
        return GAINS[self.grades] * self.weights

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the lists of all parts, at least one."""
        starts = np.cumsum([0, *map(len, parts)])
        owners = [part.owners + start for part, start in zip(parts, starts[:-1], strict=True)]
        names = ("features", "products", "grades", "weights", "customers", "times")
        return cls(
            owners=np.concatenate(owners),
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names},
        )

    def where(self, lists: Mask) -> Self:
        """Return the lists that a mask of shape (n_lists,) selects."""
        kept = lists[self.owners]
        return replace(
            self,
            owners=(np.cumsum(lists) - 1)[self.owners[kept]],
            customers=self.customers[lists],
            times=self.times[lists],
            **{name: getattr(self, name)[kept] for name in ("features", "products", "grades", "weights")},
        )

    def dataset(self) -> LtrDataset:
        """Return a question for each item with a response; their weights have the mean 1."""
        chosen, others = self._pairs()
        counts = np.bincount(chosen, minlength=len(self.owners))
        asked = np.flatnonzero(counts)
        # Each question begins with what was chosen; the others follow in their order.
        order = np.argsort(np.append(asked, chosen), kind="stable")
        items = np.append(asked, others)[order]
        sizes = counts[asked] + 1
        weights = self.gains[asked]
        weights = weights / weights.mean() if len(weights) else weights
        return LtrDataset(
            self.features[items],
            np.append(np.ones(len(asked), np.bool_), np.zeros(len(chosen), np.bool_))[order],
            sizes,
            np.repeat(weights, sizes).astype(np.float32),
        )

    def _pairs(self) -> tuple[Longs, Longs]:
        """Return pairs of items of one list, the first with a response and the second with a weaker one or none."""
        sizes = np.bincount(self.owners, minlength=len(self))
        starts = np.cumsum(sizes) - sizes
        answered = np.flatnonzero(self.grades > 0)
        of_list = self.owners[answered]
        chosen = np.repeat(answered, sizes[of_list])
        ends = np.cumsum(sizes[of_list])
        within = np.arange(len(chosen)) - np.repeat(ends - sizes[of_list], sizes[of_list])
        others = np.repeat(starts[of_list], sizes[of_list]) + within
        weaker = self.grades[others] < self.grades[chosen]
        return chosen[weaker], others[weaker]


@dataclass(frozen=True, eq=False)
class ClickSums:
    """Of each list: what an order gains, and what the best order would; each of shape (n_lists,), float64.

    The ratio of their sums over lists is the metric: the discounted gain of the responses, weighted by the inverse of
    the probability that they were looked at, over that of an order that puts them first (`ndcg`); and the same with
    the reciprocal of the rank in place of the discount and without the gains (`mrr`).
    """

    ndcg: NDArray[np.float64]
    ideal_ndcg: NDArray[np.float64]
    mrr: NDArray[np.float64]
    ideal_mrr: NDArray[np.float64]


def click_sums(examples: ShownExamples, values: NDArray[np.floating]) -> ClickSums:
    """Return what the order by values, shape (n_items,), gains of the responses to each list."""
    ranks = _ranks(examples, values)
    ideal = _ranks(examples, examples.gains)
    responses = np.where(examples.grades > 0, examples.weights, 0.0)

    def of_lists(items: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.bincount(examples.owners, items, len(examples)).astype(np.float64)

    return ClickSums(
        of_lists(examples.gains / np.log2(2.0 + ranks)),
        of_lists(examples.gains / np.log2(2.0 + ideal)),
        of_lists(responses / (1.0 + ranks)),
        of_lists(responses / (1.0 + _ranks(examples, responses))),
    )


def _ranks(examples: ShownExamples, values: NDArray[np.floating]) -> Longs:
    return ranks_in_groups(np.ascontiguousarray(values, np.float32), examples.owners, examples.products)


def examined(shown: ShownLists, biases: Mapping[Page, PositionBias]) -> Mask:
    """Return which items were perhaps looked at, shape (n_items,), bool.

    Where the platform says of a whole list that it was on screen, its end may not have been: it is cut after the last
    place that is looked at often enough to weigh by, or the last response if that comes later.
    """
    last_response = np.zeros(len(shown), np.int64)
    responded = (shown.grades > 0) | shown.dismissed
    np.maximum.at(last_response, shown.owners[responded], shown.positions[responded])
    last = np.array([biases.get(page, PositionBias.none()).last_examined() for page in PAGES])[shown.pages]
    endless = (last < 0) | ~shown.whole
    looked_at: Mask = endless[shown.owners] | (shown.positions <= np.maximum(last, last_response)[shown.owners])
    return looked_at


def response_weights(shown: ShownLists, biases: Mapping[Page, PositionBias]) -> FloatArray:
    """Return how much the response to each item weighs, shape (n_items,).

    It is the inverse of the probability that the item was at its place and looked at there, clipped to `MOST_WEIGHT`,
    times what the response is worth: a click after which the shopper came back at once is worth little.
    """
    weights = 1.0 / np.maximum(shown.propensities.astype(np.float64), LEAST_PROPENSITY)
    pages = shown.pages[shown.owners]
    for code in np.unique(pages).tolist():
        of_page = pages == code
        weights[of_page] /= biases.get(PAGES[code], PositionBias.none()).at(shown.positions[of_page])
    return (np.minimum(weights, MOST_WEIGHT) * shown.worth).astype(np.float32)
