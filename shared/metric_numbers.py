"""What a list of recommendations adds to the aggregates of metrics: numbers that can be added and taken off."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

ALL_ALGORITHMS = ""
"""Name under which the numbers of all algorithms together are kept."""
COUNTS = (
    "lists",
    "lists_shown",
    "generated",
    "shown",
    "clicked",
    "added_to_cart",
    "purchased",
    "purchased_after_view",
    "dismissed",
    "refunded",
    "diverse_lists",
    "diversity",
    "diversity_squares",
)
"""Numbers of a cell: the first two and `diverse_lists` count lists, the others up to it recommendations.

`diversity` and `diversity_squares` are sums over the lists in millionths.
"""
MILLION = 1_000_000

Amounts = tuple[int, int, int]
"""Minor units of a currency: revenue, the part of it of products that have a cost, and the margin of that part."""


@dataclass
class MetricNumbers:
    """Numbers of one algorithm, or of all together.

    Attributes
    ----------
    counts : dict of str to int
        By name of `COUNTS`; a name that is missing is 0.
    amounts : dict of str to Amounts
        By currency.
    products : dict of int to tuple of int
        Of each product's key how many recommendations of it were shown, and how many of these were responded to.
    """

    counts: dict[str, int] = field(default_factory=dict)
    amounts: dict[str, Amounts] = field(default_factory=dict)
    products: dict[int, tuple[int, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON-able values; what is 0 is left out."""
        whole: dict[str, Any] = {"counts": {name: count for name, count in self.counts.items() if count}}
        if self.amounts:
            whole["amounts"] = {currency: list(amounts) for currency, amounts in self.amounts.items()}
        if self.products:
            whole["products"] = {str(key): list(pair) for key, pair in self.products.items()}
        return whole

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the numbers that `to_json` gave."""
        amounts = {currency: tuple(each) for currency, each in stored.get("amounts", {}).items()}
        products = {int(key): (pair[0], pair[1]) for key, pair in stored.get("products", {}).items()}
        return cls(dict(stored["counts"]), amounts, products)

    def add(self, other: "MetricNumbers", sign: int = 1) -> None:
        """Add other numbers, or take them off with a `sign` of -1."""
        _add(self.counts, other.counts, lambda one, two: one + sign * two, 0)
        _add(self.amounts, other.amounts, lambda one, two: _sum(one, two, sign), (0, 0, 0))
        _add(self.products, other.products, lambda one, two: _sum(one, two, sign), (0, 0))

    def __bool__(self) -> bool:
        """Say whether any number is other than 0."""
        parts = (*self.amounts.values(), *self.products.values())
        return any(self.counts.values()) or any(map(any, parts))


ByAlgorithm = dict[str, MetricNumbers]
"""Numbers of a list by algorithm, and under `ALL_ALGORITHMS` of all together."""
Differences = defaultdict[Any, MetricNumbers]


def _add(mine: dict[Any, Any], theirs: Mapping[Any, Any], combine: Callable[[Any, Any], Any], nothing: Any) -> None:
    for key, value in theirs.items():
        mine[key] = combine(mine.get(key, nothing), value)


def _sum(one: tuple[int, ...], two: tuple[int, ...], sign: int) -> tuple[int, ...]:
    return tuple(mine + sign * theirs for mine, theirs in zip(one, two, strict=True))
