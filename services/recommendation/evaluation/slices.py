"""Slices: parts of the questions that are reported apart.

Customers and products of which train knows little, and what a shopper met before against what is new to them.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask, Rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.holdout.pairs import Pairs
from services.recommendation.holdout.protocols import customers_of, products_of
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task

FEW_EVENTS = 5
"""A customer or product with fewer events in train is cold."""


class SliceName(StrEnum):
    """The words that reports use."""

    COLD_USER = "cold-user"
    COLD_ITEM = "cold-item"
    REPEAT = "repeat"
    NEW = "new"


@dataclass(frozen=True, eq=False)
class Slice:
    """Some of the questions, and what counts as relevant in them.

    Parameters
    ----------
    name : SliceName
        Which slice.
    questions : ndarray of shape (n,), int64
        Positions in the list of questions, ascending; `lists[questions]` are the lists to measure.
    targets : list of n ndarrays, int32
        Relevant products of each, as `metrics.measure` takes them.
    """

    name: SliceName
    questions: Longs
    targets: list[Rows]


def slices_of(questions: list[EvalCase], task: Task) -> list[Slice]:
    """Return the slices that say something under the protocol of `task`.

    Sessions have no `cold-user` slice: their shopper is the running session alone, so that every customer is cold.
    """
    chosen = [cold_items(questions, task.train), repeats(questions), new(questions)]
    return chosen if task.protocol is Protocol.SESSION else [cold_users(questions, task.train), *chosen]


def cold_users(questions: list[EvalCase], train: Interactions, fewer_than: int = FEW_EVENTS) -> Slice:
    """Return the questions of customers with fewer than `fewer_than` events in train, unknown ones included."""
    counts = np.append(customers_of(train), 0)  # the last for customer -1
    customers = np.fromiter((question.customer for question in questions), np.int64, len(questions))
    at = np.flatnonzero(counts[customers] < fewer_than)
    return Slice(SliceName.COLD_USER, at, [questions[position].targets for position in at])


def cold_items(questions: list[EvalCase], train: Interactions, fewer_than: int = FEW_EVENTS) -> Slice:
    """Return the questions with targets of fewer than `fewer_than` events in train, and only those."""
    cold = products_of(train) < fewer_than
    return _with_targets(SliceName.COLD_ITEM, [question.targets[cold[question.targets]] for question in questions])


def repeats(questions: list[EvalCase]) -> Slice:
    """Return the questions with targets that the shopper met before, and only those targets."""
    return _with_targets(SliceName.REPEAT, [each.targets[_met_before(each)] for each in questions])


def new(questions: list[EvalCase]) -> Slice:
    """Return the questions with targets that the shopper never met before, and only those targets."""
    return _with_targets(SliceName.NEW, [each.targets[~_met_before(each)] for each in questions])


def _met_before(question: EvalCase) -> Mask:
    """Return which targets the shopper had any event with, in the history or in the running session."""
    shopper = question.shopper
    return np.isin(question.targets, np.concatenate([shopper.products, shopper.session]))


def _with_targets(name: SliceName, targets: list[Rows]) -> Slice:
    """Return the slice of the questions that have a target left."""
    at = np.flatnonzero(np.fromiter(map(len, targets), np.int64, len(targets)))
    return Slice(name, at, [targets[position] for position in at])


def never_seen(train: Interactions, test: Interactions, target: Kind | None) -> int:
    """Return the number of (customer, product) pairs of the test whose product train never saw.

    Events of kind `target` only, unless it is None. No ranking of train's products can hold them, so nothing asks for
    them; a report says how many there were.
    """
    relevant = Pairs.of(test, slice(None) if target is None else test.kinds == target)
    return int(np.sum(products_of(train)[relevant.products] == 0))
