"""Explanations: a reason of an algorithm in ids for machines and in a sentence for shoppers."""

from collections.abc import Sequence

from services.recommendation.algorithms.base import Reason, ReasonKind
from services.recommendation.models.groups import GroupCodes
from services.recommendation.request import Explanation
from services.recommendation.serving.catalogue import Catalogue

ASSORTMENT = Explanation("from_assortment", text="From our assortment")
"""The reason of a product that no algorithm has a score for, shown to fill a list."""

MOST_NAMES = 2
"""Products that a sentence names; the ids name all."""

_SENTENCES = {
    ReasonKind.BECAUSE_YOU_VIEWED: "Because you looked at {sources}",
    ReasonKind.BECAUSE_YOU_BOUGHT: "Because you bought {sources}",
    ReasonKind.BOUGHT_TOGETHER: "Goes with {sources}",
    ReasonKind.SIMILAR_TO: "Similar to {sources}",
    ReasonKind.OFTEN_NEXT: "Often chosen after {sources}",
    ReasonKind.FITS_YOUR_TASTE: "Fits your taste, like {sources}",
}
_PLAIN = {
    ReasonKind.POPULAR: "Popular with everybody",
    ReasonKind.TRENDING: "Trending at the moment",
    ReasonKind.NEW_ARRIVAL: "New in the assortment",
    ReasonKind.BUY_AGAIN: "You bought it before, it may be time for more",
    ReasonKind.FITS_YOUR_TASTE: "Fits your taste",
}
_GROUPS = {"region": "Popular in your region ({label})", "age": "Popular with customers aged {label}"}


def explained(
    reason: Reason | None, catalogue: Catalogue, groups: GroupCodes, search: str = "", row: int = -1
) -> Explanation:
    """Return why the product at `row` is recommended, as ids and a sentence; `ASSORTMENT` for no reason."""
    if reason is None:
        return ASSORTMENT
    ids = tuple(catalogue.external_ids[row] for row in reason.products)
    names = list(dict.fromkeys(catalogue.names[row] for row in reason.products))[:MOST_NAMES]
    group = groups.describe(*reason.group) if reason.group else ""
    if reason.kind is ReasonKind.BECAUSE_YOU_VIEWED and reason.products == (row,):
        return Explanation(reason.kind.value, ids, text="You looked at it a moment ago")
    return Explanation(reason.kind.value, ids, group, _sentence(reason, names, groups, search))


def _sentence(reason: Reason, names: Sequence[str], groups: GroupCodes, search: str) -> str:
    if reason.kind is ReasonKind.MATCHES_SEARCH:
        return f"Matches “{search}”"
    if reason.group:
        name, code = reason.group
        return _GROUPS[name].format(label=groups.labels[name][code])
    if names and reason.kind in _SENTENCES:
        return _SENTENCES[reason.kind].format(sources=_listed(names))
    return _PLAIN.get(reason.kind, ASSORTMENT.text)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
