"""Reasons as ids and sentences."""

import pytest

from services.recommendation.algorithms.base import Reason, ReasonKind
from services.recommendation.models.groups import GroupCodes
from services.recommendation.serving.explain import ASSORTMENT, explained
from tests.unit.recommendation.small import catalogue, entry

SHELF = catalogue(entry(1, name="Tea"), entry(2, name="Pot"), entry(3, name="Cup"))
GROUPS = GroupCodes({"region": ("North", "South"), "age": ("25-34",)})


@pytest.mark.parametrize(
    ("reason", "ids", "group", "text"),
    [
        (Reason(ReasonKind.BECAUSE_YOU_VIEWED, (0,)), ("p1",), "", "Because you looked at Tea"),
        (Reason(ReasonKind.BECAUSE_YOU_BOUGHT, (1, 0)), ("p2", "p1"), "", "Because you bought Pot and Tea"),
        (Reason(ReasonKind.BOUGHT_TOGETHER, (2, 1, 0)), ("p3", "p2", "p1"), "", "Goes with Cup and Pot"),
        (Reason(ReasonKind.SIMILAR_TO, (0,)), ("p1",), "", "Similar to Tea"),
        (Reason(ReasonKind.OFTEN_NEXT, (0,)), ("p1",), "", "Often chosen after Tea"),
        (Reason(ReasonKind.FITS_YOUR_TASTE, (0,)), ("p1",), "", "Fits your taste, like Tea"),
        (Reason(ReasonKind.FITS_YOUR_TASTE), (), "", "Fits your taste"),
        (Reason(ReasonKind.POPULAR), (), "", "Popular with everybody"),
        (
            Reason(ReasonKind.POPULAR_IN_GROUP, group=("region", 1)),
            (),
            "region=South",
            "Popular in your region (South)",
        ),
        (
            Reason(ReasonKind.POPULAR_IN_GROUP, group=("age", 0)),
            (),
            "age_group=25-34",
            "Popular with customers aged 25-34",
        ),
        (Reason(ReasonKind.TRENDING), (), "", "Trending at the moment"),
        (Reason(ReasonKind.NEW_ARRIVAL), (), "", "New in the assortment"),
        (Reason(ReasonKind.BUY_AGAIN, (0,)), ("p1",), "", "You bought it before, it may be time for more"),
        (Reason(ReasonKind.MATCHES_SEARCH), (), "", "Matches “hot drinks”"),
    ],
)
def test_reasons_in_words(reason: Reason, ids: tuple[str, ...], group: str, text: str) -> None:
    found = explained(reason, SHELF, GROUPS, "hot drinks")
    assert (found.kind, found.product_ids, found.group, found.text) == (reason.kind.value, ids, group, text)


def test_every_kind_has_words_of_its_own() -> None:
    texts = [explained(Reason(kind, (0,), ("region", 0)), SHELF, GROUPS, "x").text for kind in ReasonKind]
    assert ASSORTMENT.text not in texts
    texts = [explained(Reason(kind, (0,)), SHELF, GROUPS, "x").text for kind in set(ReasonKind) - {"popular_in_group"}]
    assert ASSORTMENT.text not in texts
    assert len(set(texts)) == len(texts)


def test_no_reason_is_said_as_such() -> None:
    assert explained(None, SHELF, GROUPS) is ASSORTMENT
