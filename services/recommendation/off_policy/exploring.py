"""Lists that explore one place at most: how likely each item was at its place, and what another such policy supports.

Notation: a list of n places shows the items b_0 … b_n-1 of a ranking. With probability ρ each, one of the places
1 … n-1 shows an item of a pool instead, item x with chance c(x). At most one place is explored, so places depend on
each other.
"""

from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask
from services.recommendation.off_policy.ratios import Floats


@dataclass(frozen=True, eq=False)
class ExploringList:
    """What a policy shows to one shopper.

    Parameters
    ----------
    items : ndarray of shape (n,), int64
        The ranking, best first.
    per_place : float
        ρ, the probability that a given place but the first is explored; 0 for a policy that explores nothing.
    pool : ndarray of shape (p,), int64
        Items that may be explored; none of them is in `items`.
    chances : ndarray of shape (p,), float64
        c, the chance of each; their sum is 1.
    """

    items: Longs
    per_place: float
    pool: Longs
    chances: Floats

    @classmethod
    def certain(cls, items: Longs) -> "ExploringList":
        """Return the list of a policy that explores nothing."""
        return cls(items, 0.0, np.empty(0, np.int64), np.empty(0))

    @property
    def stays(self) -> float:
        """The probability that no place is explored."""
        return 1.0 - self.per_place * max(len(self.items) - 1, 0)

    def chance_of(self, items: Longs) -> Floats:
        """Return the chance of each item to be the explored one, shape (n,); 0 for those that are not in the pool."""
        order = np.argsort(self.pool)
        if not len(order):
            return np.zeros(len(items))
        places = np.minimum(np.searchsorted(self.pool, items, sorter=order), len(order) - 1)
        found = self.pool[order[places]] == items
        chances: Floats = np.where(found, self.chances[order[places]], 0.0)
        return chances

    def pooled(self, items: Longs) -> Mask:
        """Return which items may be explored, shape (n,)."""
        return (self.chance_of(items) > 0.0) & (self.per_place > 0.0)

    def marginal(self, asked: Longs) -> Floats:
        """Return the probability of each of the items `asked`, shape (n,), at its place."""
        rates = self._rates()
        same = asked == self.items
        found: Floats = np.where(same, 1.0 - rates, rates * self.chance_of(asked))
        return found

    def given_above(self, shown: Longs, asked: Longs) -> Floats:
        """Return the probability of each of the items `asked` at its place, given what is `shown` above it; shape (n,).

        0 below what the policy never shows.
        """
        rates = self._rates()
        explored_above = np.concatenate([[0], np.cumsum(shown != self.items)[:-1]])
        left = unexplored_above(len(shown), self.per_place)
        same = asked == self.items
        untouched = np.where(same, left - rates, rates * self.chance_of(asked)) / left
        found: Floats = np.where(explored_above == 0, untouched, (explored_above == 1) & same)
        return found

    def _rates(self) -> Floats:
        """Return the probability that each place is explored, shape (n,)."""
        rates = np.full(len(self.items), self.per_place)
        rates[:1] = 0.0
        return rates


@dataclass(frozen=True, eq=False)
class ReplayedList:
    """A logged list of n places, and what both policies show to its shopper.

    Parameters
    ----------
    shown : ndarray of shape (n,), int64
        What was shown.
    propensities : ndarray of shape (n,), float64
        As they were logged: the probability of each item at its place, whatever is above.
    rewards : ndarray of shape (n,), float64
        What each item earned.
    unit : int
        Number of the unit of assignment.
    logging, evaluation : ExploringList
        What the logging policy and the evaluation policy show.
    """

    shown: Longs
    propensities: Floats
    rewards: Floats
    unit: int
    logging: ExploringList
    evaluation: ExploringList

    @property
    def is_changed(self) -> bool:
        """Whether the evaluation policy ranks otherwise."""
        return not np.array_equal(self.logging.items, self.evaluation.items)

    @property
    def is_same(self) -> bool:
        """Whether the evaluation policy ranks alike and explores as often."""
        return not self.is_changed and self.logging.per_place == self.evaluation.per_place

    @property
    def explored(self) -> int | None:
        """The place, from 0, that the logged list explored; None for none."""
        apart = np.flatnonzero(self.shown != self.logging.items)
        return int(apart[0]) if len(apart) else None


def unexplored_above(n: int, per_place: float) -> Floats:
    """Return the probability that no place above each of n places is explored, shape (n,)."""
    return 1.0 - per_place * np.maximum(np.arange(n) - 1, 0)


def conditional_propensities(marginal: Floats, explored: int | None) -> Floats:
    """Return propensities given the items above from logged ones, which are marginal; both of shape (n,).

    Parameters
    ----------
    marginal : ndarray of shape (n,), float64
        1 - ρ at places that are not explored, ρ c(x) at the one that is; 1 at the first.
    explored : int, optional
        The explored place, from 0; None for none.
    """
    n = len(marginal)
    others = [place for place in range(1, n) if place != explored]
    per_place = 1.0 - float(marginal[others[0]]) if others else 0.0
    left = unexplored_above(n, per_place)
    rates = np.full(n, per_place)
    rates[:1] = 0.0
    found: Floats = 1.0 - rates / left
    if explored is not None:
        found[explored] = marginal[explored] / left[explored]
        found[explored + 1 :] = 1.0
    return found


def supported_share(logging: ExploringList, evaluation: ExploringList) -> float:
    """Return the probability of the lists of an evaluation policy that the logging policy may show.

    Those are the logging policy's ranking, and rankings that differ from it at one explored place. An evaluation policy
    whose ranking differs at two places may still explore its way to one of them.
    """
    apart = np.flatnonzero(logging.items != evaluation.items)
    may_show = logging.pooled(evaluation.pool)
    if not len(apart):
        return evaluation.stays + (1.0 - evaluation.stays) * float(evaluation.chances[may_show].sum())
    if apart[0] == 0 or len(apart) > 2:
        return 0.0
    reached = logging.pooled(evaluation.items[apart])
    back = evaluation.per_place * evaluation.chance_of(logging.items[apart])
    if len(apart) == 2:
        return float(back @ reached[::-1])
    explored = evaluation.per_place * float(evaluation.chances[may_show].sum())
    return evaluation.stays * float(reached[0]) + explored + float(back[0])


def supported_places(logging: ExploringList, evaluation: ExploringList) -> Floats:
    """Return by place the probability of the evaluation policy's items that the logging policy may show, shape (n,)."""
    rates = evaluation._rates()
    same = logging.items == evaluation.items
    reached = logging.pooled(evaluation.items)
    reached[:1] = False
    back = evaluation.chance_of(logging.items) * ~same
    explored = float(evaluation.chances[logging.pooled(evaluation.pool)].sum())
    found: Floats = (1.0 - rates) * (same | reached) + rates * (explored + back)
    return found
