"""What is asked: shoppers with a known next step, under one protocol."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, runtime_checkable
from typing import Protocol as Interface

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper


class Protocol(StrEnum):
    """What is asked of a ranking; the words that reports use."""

    TOP_N = "top-n"
    TOP_N_DISCOVERY = "top-n-discovery"
    NEXT_ITEM = "next-item"
    SESSION = "session"
    NEXT_BASKET = "next-basket"


@dataclass(frozen=True, eq=False)
class EvalCase:
    """A shopper as known before the answer, and the answer.

    Parameters
    ----------
    shopper : Shopper
        History and present; nothing of the answer is in it.
    targets : ndarray of shape (n_targets,), int32
        Rows of the relevant products, ascending, each once, at least one, none of them excluded.
    excluded : ndarray of shape (n_excluded,), int32
        Rows that are left out of the ranking, ascending, each once.
    customer : int
        Row of the customer, -1 for one that training does not know. Several questions of one customer (the steps of a
        session) share it.
    """

    shopper: Shopper
    targets: Rows
    excluded: Rows
    customer: int = -1


@dataclass(frozen=True, eq=False)
class Task:
    """What may be learned from before the questions come, and what kind of questions they will be.

    Parameters
    ----------
    train : Interactions
        Everything known; the questions' answers are not in it.
    protocol : Protocol
        How it will be asked.
    target : Kind
        The kind of event that counts as an answer.
    timed : bool
        Whether `train.times` are moments. Otherwise they only order the events of a customer.
    exclude_seen : bool
        Whether products with which the shopper had an event of the target kind are left out.
    every_kind : bool
        Whether events of all kinds are answers in sessions; `target` is then the most frequent of them.
    """

    train: Interactions
    protocol: Protocol
    target: Kind = Kind.PURCHASE
    timed: bool = True
    exclude_seen: bool = False
    every_kind: bool = False


ProgressCallback = Callable[[str, float], None]
"""Called with what is being done and the fraction done, 0 to 1."""


class Ranker(Interface):
    """Something that can be evaluated: the product itself, one of its algorithms, or a baseline."""

    name: str

    def fit(self, task: Task) -> None:
        """Learn from `task.train`, replacing what was learned before."""
        ...

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        """Return the best `k` products of each shopper, none of their excluded ones.

        Returns
        -------
        ndarray of shape (len(shoppers), k), int32
            Rows, best first; -1 where there is nothing more to recommend.
        """
        ...


@runtime_checkable
class Reporting(Interface):
    """A ranker that takes long to fit and calls `progress`, where it is set, while it is fitted."""

    progress: ProgressCallback | None


@runtime_checkable
class Tunes(Interface):
    """A ranker that chooses its parameters on a validation split inside train when it is fitted."""

    chosen: Mapping[str, Any]
    """The chosen parameters by name, JSON-able; empty before `fit`."""


@runtime_checkable
class Staged(Interface):
    """A ranker that gives several lists to each shopper, one for each step on the way to its own."""

    pairs: tuple[tuple[str, str], ...]
    """Names of lists whose paired differences are reported: the first minus the second."""

    def stages(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Mapping[str, Rows]:
        """Return lists as `Ranker.top` does, by name; that of `Ranker.top` under the name of the ranker."""
        ...
