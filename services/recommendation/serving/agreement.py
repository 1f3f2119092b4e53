"""How far two lists agree."""

from collections.abc import Sequence

FEWEST_RANKED = 2
"""Common products below which their ranks do not correlate with anything."""


def overlap(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the share of the products of `one` that `other` has as well, 0 to 1; 1 where `one` is empty."""
    return len({*one} & {*other}) / len(one) if one else 1.0


def rank_correlation(one: Sequence[int], other: Sequence[int]) -> float | None:
    """Return Spearman's rank correlation of the products that both lists have, −1 to 1; None for fewer than two.

    Source: Spearman, "The proof and measurement of association between two things", American Journal of Psychology 15
    (1904), doi:10.2307/1412159

    Parameters
    ----------
    one, other : sequence of int
        Products, best first, each once in a list.
    """
    both = {*one} & {*other}
    n = len(both)
    if n < FEWEST_RANKED:
        return None
    ranks = {product: rank for rank, product in enumerate(each for each in other if each in both)}
    squares = sum((rank - ranks[product]) ** 2 for rank, product in enumerate(each for each in one if each in both))
    return 1 - 6 * squares / (n * (n * n - 1))
