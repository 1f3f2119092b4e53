"""Lists that shoppers saw, as arrays in the rows of a training."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.models.key_rows import KeyRows
from shared.db.shown_lists import ShownItem, ShownList
from shared.page_rules import Page

PAGES = tuple(Page)
"""The pages by their codes."""


class Grade(IntEnum):
    """The strongest response to an item that was on screen."""

    NONE = 0
    CLICK = 1
    CART = 2
    PURCHASE = 3


@dataclass(frozen=True, eq=False)
class ShownLists:
    """Lists, oldest first, with the items that were on screen.

    Parameters
    ----------
    customers : ndarray of shape (n_lists,), int32
        Rows.
    pages : ndarray of shape (n_lists,), int8
        Places in `PAGES`.
    times : ndarray of shape (n_lists,), int64
        When each list was made, in Unix seconds.
    whole : ndarray of shape (n_lists,), bool
        Whether every item of the list is said to have been on screen.
    owners : ndarray of shape (n_items,), int64
        Places of the items' lists, ascending.
    products, positions : ndarray of shape (n_items,), int32 and int64
        Rows, ascending and each once in a list, and places from 1.
    grades : ndarray of shape (n_items,), int8
        `Grade` of each item.
    dismissed : ndarray of shape (n_items,), bool
        Whether the shopper said that they do not want it.
    propensities : ndarray of shape (n_items,), float32
        Probability that the item was at its place; 1 for deterministic places.
    worth : ndarray of shape (n_items,), float32
        How much the response counts, 0 to 1: a click by its grade, all else 1.
    """

    customers: Rows
    pages: NDArray[np.int8]
    times: Longs
    whole: Mask
    owners: Longs
    products: Rows
    positions: Longs
    grades: NDArray[np.int8]
    dismissed: Mask
    propensities: FloatArray
    worth: FloatArray

    def __len__(self) -> int:
        return len(self.customers)

    @property
    def answered(self) -> Mask:
        """Which lists have an item that was clicked, put into the cart or bought, shape (n_lists,), bool."""
        answered: Mask = np.bincount(self.owners, self.grades > 0, len(self)) > 0
        return answered

    @classmethod
    def of(cls, lists: Iterable[Sequence[ShownList]], customers: KeyRows, products: KeyRows) -> Self:
        """Return what is known of the lists; without customers and products that have no row, and unknown pages."""
        heads: list[tuple[int, int, int, bool]] = []
        items: list[tuple[int, int, int, int, bool, float, float]] = []
        for some in lists:
            rows = customers.find(np.array([each.customer_key for each in some], np.int64)).tolist()
            for each, row in zip(some, rows, strict=True):
                if row >= 0 and each.page_type in Page.__members__:
                    moment, page = int(each.generated_at.timestamp()), PAGES.index(Page(each.page_type))
                    items += [(len(heads), *_item(item)) for item in each.items if _on_screen(item)]
                    heads.append((row, page, moment, all(map(_on_screen, each.items))))
        return cls._of_rows(np.array(heads or np.empty((0, 4))), np.array(items or np.empty((0, 7))), products)

    @classmethod
    def _of_rows(cls, heads: NDArray[np.float64], items: NDArray[np.float64], products: KeyRows) -> Self:
        """Return lists of rows of numbers, each of which float64 holds exactly: oldest first, items by product."""
        oldest = np.argsort(heads[:, 2], kind="stable")
        heads = heads[oldest]
        places = np.empty(len(oldest), np.int64)
        places[oldest] = np.arange(len(oldest))
        owners = places[items[:, 0].astype(np.int64)]
        rows = products.find(items[:, 1].astype(np.int64))
        order = np.lexsort((rows, owners))
        order = order[rows[order] >= 0]
        items = items[order]
        return cls(
            customers=heads[:, 0].astype(np.int32),
            pages=heads[:, 1].astype(np.int8),
            times=heads[:, 2].astype(np.int64),
            whole=heads[:, 3] > 0,
            owners=owners[order],
            products=rows[order],
            positions=items[:, 2].astype(np.int64),
            grades=items[:, 3].astype(np.int8),
            dismissed=items[:, 4] > 0,
            propensities=items[:, 5].astype(np.float32),
            worth=items[:, 6].astype(np.float32),
        )

    def where(self, lists: Mask) -> Self:
        """Return the lists that a mask of shape (n_lists,) selects."""
        return self._with(lists, lists[self.owners])

    def only(self, items: Mask) -> Self:
        """Return all lists with those of their items that a mask of shape (n_items,) selects."""
        return self._with(np.ones(len(self), np.bool_), items)

    def _with(self, lists: Mask, items: Mask) -> Self:
        of_lists = {name: getattr(self, name)[lists] for name in ("customers", "pages", "times", "whole")}
        names = ("products", "positions", "grades", "dismissed", "propensities", "worth")
        numbers = np.cumsum(lists) - 1
        of_items = {name: getattr(self, name)[items] for name in names}
        return replace(self, owners=numbers[self.owners[items]], **of_lists, **of_items)


def _on_screen(item: ShownItem) -> bool:
    return item.was_shown or _grade(item) > Grade.NONE


def _item(item: ShownItem) -> tuple[int, int, int, bool, float, float]:
    grade = _grade(item)
    worth = item.click_grade if grade is Grade.CLICK else 1.0
    return item.product_key, item.position, grade, item.was_dismissed, item.propensity, worth


def _grade(item: ShownItem) -> Grade:
    if item.was_purchased:
        return Grade.PURCHASE
    if item.was_added_to_cart:
        return Grade.CART
    return Grade.CLICK if item.was_clicked else Grade.NONE
