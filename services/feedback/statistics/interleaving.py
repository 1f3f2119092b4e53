"""Which of two rankings is preferred, from clicks on lists that mix them (`shared.interleaving`)."""

from collections.abc import Collection, Sequence

from numpy.typing import ArrayLike

from services.feedback.statistics.estimate import Estimate
from services.feedback.statistics.ratio import RatioMoments


def credit_of_clicks(credits_of_places: Sequence[float], clicked: Collection[int]) -> float:
    """Return the credit that clicks on a list give: above 0 to the first ranking, below 0 to the second.

    Parameters
    ----------
    credits_of_places : sequence of float
        Credit of a click on each place, as of `shared.interleaving.Interleaved`.
    clicked : collection of int
        Places that were clicked, counted from 0; each counts once.

    Raises
    ------
    ValueError
        If a place is not in the list.
    """
    places = set(clicked)
    outside = sorted(place for place in places if not 0 <= place < len(credits_of_places))
    if outside:
        raise ValueError(f"clicked: must be from 0 to {len(credits_of_places) - 1}, got {outside[0]}")
    return sum(credits_of_places[place] for place in places)


def preference(credit: ArrayLike, clicks: ArrayLike) -> Estimate:
    """Return the mean credit of a click: above 0 where the first ranking is preferred.

    With team drafts it is the first ranking's share of the clicks minus the second's. If clicks have nothing to do with
    the products its expectation is 0, as each place's expected credit is. Its interval under peeking is that of
    `sequential.always_valid_interval`, with units / planned units as evidence.

    Source: Chapelle, Joachims, Radlinski & Yue, "Large-scale validation and analysis of interleaved search evaluation",
    ACM TOIS 30 (2012), doi:10.1145/2094072.2094078

    Parameters
    ----------
    credit, clicks : array_like of shape (n,)
        Sums over the lists of each unit, such as a customer, as lists of one unit resemble each other. Units without
        clicks change nothing but the count of units.

    Raises
    ------
    ValueError
        As `RatioMoments.of`.
    """
    return RatioMoments.of(clicks, credit).estimate
