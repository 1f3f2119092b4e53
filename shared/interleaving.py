"""Two rankings shown in one list, so that clicks say which is preferred.

Each shopper compares both rankings at the same moment. So a preference shows with far fewer clicks than in an
experiment where each shopper sees one of them.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.special import entr

Floats = NDArray[np.float64]
Item = TypeVar("Item", bound=Hashable)
MOST_OPTIMISED = 8
"""Places that are optimised, in some 10 ms: the number of possible lists may double with each place."""


@dataclass(frozen=True)
class Interleaved(Generic[Item]):
    """A list of two rankings.

    Parameters
    ----------
    items : tuple
        Best first, each once.
    credits : tuple of float
        What a click on each place says: above 0 for the first ranking, below 0 for the second, 0 for neither.
    probability : float
        Of these items in this order, whatever their credits.
    """

    items: tuple[Item, ...]
    credits: tuple[float, ...]
    probability: float


def team_draft(
    first: Sequence[Item], second: Sequence[Item], length: int, rng: np.random.Generator
) -> Interleaved[Item]:
    """Return a list by team draft: in each round both rankings pick their best item left, a coin says which begins.

    The credit of a place is 1 if the first ranking picked it, −1 if the second. Once a ranking has no item left, the
    other fills the list, and these places have the credit 0: only places that either could have got are counted.

    Source: Radlinski, Kurup & Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008,
    doi:10.1145/1458082.1458092

    Parameters
    ----------
    first, second : sequence of hashable
        The rankings, best first, each item once.
    length : int
        Places of the list; it is shorter where there are not so many items.
    rng : numpy.random.Generator
        Of the coins.

    Raises
    ------
    ValueError
        If the length is not above 0, or a ranking has an item twice.
    """
    _check(first, second, length)
    return _drafted(first, second, Interleaved((), (), 1.0), length, rng)


def optimised(
    first: Sequence[Item], second: Sequence[Item], length: int, rng: np.random.Generator
) -> Interleaved[Item]:
    """Return a list by optimised interleaving: of all lists that continue one of the rankings at each place.

    The credit of an item is 1 / its rank in the first ranking − 1 / its rank in the second; an item that a ranking
    lacks has the rank after its last. The lists have such probabilities that each place's expected credit is 0, so
    clicks that have nothing to do with the items prefer neither. Among these probabilities those are taken with which
    a click tells the most. The first `MOST_OPTIMISED` places are optimised, and not more than the shorter ranking has
    items, since beyond there need not be such probabilities. Later places are filled by team draft, with credit 0.

    Source: Radlinski & Craswell, "Optimized interleaving for online retrieval evaluation", WSDM 2013,
    doi:10.1145/2433396.2433429, with inverse ranks as credits

    Parameters
    ----------
    first, second, length, rng
        As of `team_draft`.

    Raises
    ------
    ValueError
        As `team_draft`.
    """
    _check(first, second, length)
    places = min(length, len(first), len(second), MOST_OPTIMISED)
    lists = list(dict.fromkeys(_allowed(first, second, places, ())))
    credit = _rank_credits(first, second)
    earned = np.array([[credit[item] for item in each] for each in lists])
    probabilities = _probabilities(earned)
    chosen = int(rng.choice(len(lists), p=probabilities))
    begun = Interleaved(lists[chosen], tuple(map(float, earned[chosen])), float(probabilities[chosen]))
    whole = _drafted(first, second, begun, length, rng)
    return replace(whole, credits=begun.credits + (0.0,) * (len(whole.items) - places))


def _drafted(
    first: Sequence[Item], second: Sequence[Item], begun: Interleaved[Item], length: int, rng: np.random.Generator
) -> Interleaved[Item]:
    """Return a list that begins as given and goes on by team draft."""
    items, earned, probability = list(begun.items), list(begun.credits), begun.probability
    while len(items) < length and (picks := _round(first, second, items)):
        room = length - len(items)
        added, credit = picks[int(rng.integers(len(picks)))]
        # Both orders may give the same items, as where the rankings agree: the items alone are the list.
        probability *= sum(pick[:room] == added[:room] for pick, _ in picks) / len(picks)
        items += added[:room]
        earned += credit[:room]
    return Interleaved(tuple(items), tuple(earned), probability)


def _round(
    first: Sequence[Item], second: Sequence[Item], taken: Sequence[Item]
) -> list[tuple[list[Item], list[float]]]:
    """Return what a round may add: items and credits, for each ranking that may begin; nothing when all are taken."""
    found = []
    for mine, other, credit in ((first, second, 1.0), (second, first, -1.0)):
        own = _best_left(mine, taken)
        answer = _best_left(other, [*taken, *own])
        if own and answer:
            found.append(([*own, *answer], [credit, -credit]))
    if len(found) == 2:
        return found
    left = _best_left(first, taken) or _best_left(second, taken)
    return [(left, [0.0])] if left else []


def _best_left(ranking: Sequence[Item], taken: Sequence[Item]) -> list[Item]:
    """Return the best item that is not taken, as a list; an empty one when all are."""
    return [item for item in ranking if item not in taken][:1]


def _allowed(
    first: Sequence[Item], second: Sequence[Item], length: int, begun: tuple[Item, ...]
) -> Iterator[tuple[Item, ...]]:
    """Yield all lists that begin so, with repetitions."""
    following = dict.fromkeys([*_best_left(first, begun), *_best_left(second, begun)])
    if len(begun) == length or not following:
        yield begun
        return
    for item in following:
        yield from _allowed(first, second, length, (*begun, item))


def _rank_credits(first: Sequence[Item], second: Sequence[Item]) -> dict[Item, float]:
    ranks = [{item: rank for rank, item in enumerate(ranking, start=1)} for ranking in (first, second)]
    return {
        item: 1 / ranks[0].get(item, len(first) + 1) - 1 / ranks[1].get(item, len(second) + 1)
        for item in (*first, *second)
    }


def _probabilities(earned: Floats) -> Floats:
    """Return the probability of each list, shape (n_lists,), for credits of shape (n_lists, length)."""
    constraints = np.vstack([earned.T, np.ones(len(earned))])
    wanted = np.append(np.zeros(earned.shape[1]), 1.0)
    found = linprog(-_sensitivity(earned), A_eq=constraints, b_eq=wanted, bounds=(0, None), method="highs")
    if found.x is None:
        raise RuntimeError(found.message)
    probabilities: Floats = np.clip(found.x, 0.0, None)
    probabilities /= probabilities.sum()
    return probabilities


def _sensitivity(earned: Floats) -> Floats:
    """Return how much one click on each list says, in bits: the entropy of who gets it, where not neither does.

    A place is clicked in proportion to 1 / its number.
    """
    clicks = 1 / np.arange(1, earned.shape[1] + 1)
    clicks /= clicks.sum()
    ours, theirs = (earned > 0) @ clicks, (earned < 0) @ clicks
    decided = ours + theirs
    share = np.divide(ours, decided, out=np.zeros_like(decided), where=decided > 0)
    told: Floats = decided * (entr(share) + entr(1 - share)) / np.log(2)
    return told


def _check(first: Sequence[Item], second: Sequence[Item], length: int) -> None:
    if length < 1:
        raise ValueError(f"length: must be at least 1, got {length}")
    for name, ranking in (("first", first), ("second", second)):
        if len(set(ranking)) != len(ranking):
            raise ValueError(f"{name}: must have each item once, got {len(ranking) - len(set(ranking))} again")
