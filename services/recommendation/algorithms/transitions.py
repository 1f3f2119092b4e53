"""Transitions: scores products by how often they follow the shopper's latest products in sessions and next baskets."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import Csr, FloatArray, Longs, Mask, Rows, as_csr
from services.recommendation.algorithms.base import Interactions, Reason, ReasonKind, Shopper, Space
from services.recommendation.algorithms.checks import require_fraction, require_not_negative, require_positive
from services.recommendation.algorithms.item_to_item import ItemToItem
from services.recommendation.algorithms.sparse import scaled, top_k_product, top_k_rows
from services.recommendation.algorithms.user_profile import UserProfile
from shared.grouped_order import dense_numbers, time_order


@dataclass(eq=False)
class Transitions(ItemToItem):
    """First-order item-to-item Markov model with distance decay, over steps in sessions and over consecutive baskets.

    A pair of products d steps apart in a session adds 1/d to the transition from the earlier to the later. For two
    consecutive baskets of a customer, each product of the first adds `basket_weight`, divided equally among the
    products of the second. Each row is divided by (its sum)^`source_power`, each column by (number of events with the
    product)^`target_power`. The scores are the sum of the rows of the shopper's latest products, with weights that
    decay per step; the product in view has the largest weight.

    Sources: Rendle, Freudenthaler & Schmidt-Thieme, "Factorizing personalized Markov chains for next-basket
    recommendation", WWW 2010, doi:10.1145/1772690.1772773 (the unfactored chain); distance decay: Ludewig & Jannach,
    "Evaluation of session-based recommendation algorithms" (SR), UMUAI 2018, doi:10.1007/s11257-018-9209-6
    """

    name: ClassVar[str] = "transitions"
    sampled: ClassVar[bool] = True
    space: ClassVar[Space] = {
        "decay": (0.5, 0.6, 0.7, 0.8, 0.9, 0.95),
        "target_power": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
        "source_power": (0.0, 0.25, 0.5, 0.75, 1.0),
        "window": (2, 4, 8, 16),
        "basket_weight": (0.0, 0.3, 1.0, 2.0, 4.0),
    }

    window: int = 8
    """Longest distance within a session, in steps."""
    basket_weight: float = 2.0
    """Weight of the transitions from one product to the next basket; an adjacent step in a session has weight 1."""
    top_k: int = 300
    """Number of following products kept for each product."""
    source_power: float = 0.5
    """Exponent of the sum by which a row is divided, 0 to 1."""
    target_power: float = 0.3
    """Exponent of the popularity by which a column is divided, 0 to 1; a larger value favours rare products."""
    decay: float = 0.8
    """Weight of a step of the shopper relative to the next step, 0 to 1; a purchase of many lines is one step."""
    last: int = 100
    """Number of the shopper's products that are used; the latest are kept."""
    max_basket: int = 100
    """Largest number of products of a basket in basket-to-basket transitions; others of the basket are dropped."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(window=self.window, top_k=self.top_k, last=self.last, max_basket=self.max_basket)
        require_not_negative(basket_weight=self.basket_weight)
        require_fraction(source_power=self.source_power, target_power=self.target_power, decay=self.decay)

    def _fit(self, data: Interactions) -> None:
        order = time_order(data.baskets, data.times)
        steps = session_steps(data, order, self.window)
        follow = top_k_rows(steps, 4 * self.top_k) + self.basket_weight * self._basket_steps(data)
        out = np.asarray(follow.sum(axis=1)).ravel()
        popularity = np.bincount(data.products, minlength=data.n_products)
        rows, columns = (
            (np.maximum(mass, 1e-6) ** -power * (mass > 0)).astype(np.float32)
            for mass, power in ((out, self.source_power), (popularity, self.target_power))
        )
        self.neighbours = top_k_rows(scaled(as_csr(follow), rows, columns), self.top_k)

    def _basket_steps(self, data: Interactions) -> Csr:
        """Return the basket-to-basket transitions, source to target, shape (n_products, n_products)."""
        baskets, before, after = consecutive_baskets(data, self.max_basket)
        sizes = np.maximum(np.diff(baskets.indptr), 1).astype(np.float32)
        spread = scaled(baskets, rows=1.0 / sizes)
        return top_k_product(as_csr(baskets[before].T), as_csr(spread[after]), 4 * self.top_k, drop_diagonal=True)

    def _user_profile(self, shopper: Shopper) -> UserProfile:
        return shopper.trail[-self.last :], np.float32(self.decay) ** shopper.trail_ages[-self.last :]

    def _reason_from(self, shopper: Shopper, sources: tuple[int, ...]) -> Reason:
        return Reason(ReasonKind.OFTEN_NEXT, sources)


def session_steps(data: Interactions, order: Longs, window: int) -> Csr:
    """Return the sum of 1/distance over pairs in the same session, earlier to later, shape (n_products, n_products).

    `order` sorts the events by session and time. Events of the same second, such as the lines of one purchase, have no
    order: each direction gets half.
    """
    products, times, baskets = data.products[order], data.times[order], data.baskets[order]
    total = as_csr((data.n_products, data.n_products))
    for distance in range(1, min(window, max(len(order) - 1, 0)) + 1):
        source, target = products[:-distance], products[distance:]
        same = baskets[:-distance] == baskets[distance:]
        if not same.any():
            break
        pair = same & (source != target)
        together = pair & (times[:-distance] == times[distance:])
        total = total + _counted(source, target, pair, _weights(together[pair], distance), data.n_products)
        both = np.full(int(together.sum()), 0.5 / distance, np.float32)
        total = total + _counted(target, source, together, both, data.n_products)
    return as_csr(total)


def consecutive_baskets(data: Interactions, max_basket: int) -> tuple[Csr, Longs, Longs]:
    """Return the basket contents and the pairs of consecutive baskets of the same customer.

    Returns
    -------
    baskets : csr_array of shape (n_baskets, n_products), float32
        1 for each product of a basket, at most `max_basket` of them; baskets are ordered by customer and time.
    before, after : ndarray of shape (n_pairs,), int64
        Rows of `baskets`: the earlier and the later basket of each pair.
    """
    numbers, number = dense_numbers(data.baskets)
    first = np.full(len(numbers), len(number))
    np.minimum.at(first, number, np.arange(len(number)))
    rank = np.lexsort((data.times[first], data.customers[first]))
    place = np.empty(len(rank), np.int32)
    place[rank] = np.arange(len(rank))
    ones = np.ones(len(number), dtype=np.float32)
    contents = as_csr(sp.coo_array((ones, (place[number], data.products)), shape=(len(rank), data.n_products)))
    contents.data[:] = 1.0
    before = np.flatnonzero(np.diff(data.customers[first][rank]) == 0)
    return top_k_rows(contents, max_basket), before, before + 1


def _weights(together: Mask, distance: int) -> FloatArray:
    """Return the weight of each pair at a distance: half of it where both are of the same second."""
    return np.where(together, 0.5 / distance, 1.0 / distance).astype(np.float32)


def _counted(source: Rows, target: Rows, mask: Mask, weights: FloatArray, n: int) -> Csr:
    """Return the sum of weights of the pairs that `mask` selects; `weights` has one for each of these."""
    return as_csr(sp.coo_array((weights, (source[mask], target[mask])), shape=(n, n)))
