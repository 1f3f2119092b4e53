"""P-values of several tests, adjusted so that many of them do not find by chance what is not there.

An adjusted p-value is compared with the level that was meant for all tests together.
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values in their order, adjusted by Holm's method: for few tests that each decide something.

    If all tests with an adjusted p-value up to α are rejected, the probability of any false rejection is at most α,
    however the tests depend on each other.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979, www.jstor.org/stable/4615733
    """
    n = len(p_values)
    adjusted = [1.0] * n
    largest = 0.0
    for rank, place in enumerate(_ascending(p_values)):
        largest = max(largest, min(1.0, (n - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return the p-values in their order, adjusted by Benjamini and Hochberg's method: for many tests that show where
    to look, such as those of segments.

    If all tests with an adjusted p-value up to α are rejected, the expected share of false ones among the rejections is
    at most α, for tests that are independent or depend positively on each other.

    Source: Benjamini & Hochberg, "Controlling the False Discovery Rate", JRSS B 57 (1995),
    doi:10.1111/j.2517-6161.1995.tb02031.x
    """
    n = len(p_values)
    adjusted = [1.0] * n
    smallest = 1.0
    for rank, place in reversed(list(enumerate(_ascending(p_values), start=1))):
        smallest = min(smallest, n / rank * p_values[place])
        adjusted[place] = smallest
    return adjusted


def _ascending(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=lambda place: p_values[place])
