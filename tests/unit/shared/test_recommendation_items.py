"""The items of a logged list come out of their bytes as they went in, and cost few of them."""

import pytest

from shared.db.recommendation_items import ListItem, pack, unpack

ITEMS = [
    ListItem(1, 2**40, 0.1, "ease", {"ease": 0.5, "similar": 0.25}, {"kind": "viewed", "product_ids": ["tea"]}),
    ListItem(2, 7, -3.5, "popular", {}, {}),
    ListItem(127, 8, 1 / 3, "similar", {"similar": 0.125, "ease": 0.0}, {"kind": "viewed", "product_ids": ["tea"]}),
]


def test_items_come_out_as_they_went_in() -> None:
    assert unpack(pack(ITEMS)) == ITEMS
    assert [list(item.contributions) for item in unpack(pack(ITEMS))] == [list(item.contributions) for item in ITEMS]
    assert unpack(pack([])) == []


def test_contributions_are_single_floats() -> None:
    (item,) = unpack(pack([ListItem(1, 1, 0.1, "ease", {"ease": 0.1}, {})]))
    assert item.score == 0.1
    assert item.contributions["ease"] != 0.1
    assert item.contributions["ease"] == pytest.approx(0.1, rel=1e-7)


def test_names_and_reasons_are_kept_once() -> None:
    one = ListItem(1, 1, 0.5, "ease", {"ease": 0.5}, {"kind": "viewed", "product_ids": ["a long id of a product"]})
    another_costs = len(pack([one] * 20)) - len(pack([one] * 19))
    assert another_costs == 4 + 8 + 8 + 1 + 4


def test_another_layout_is_refused() -> None:
    with pytest.raises(ValueError, match="version 3"):
        unpack(b"\x03" + pack(ITEMS)[1:])


def test_propensities_are_kept_where_a_place_was_not_certain() -> None:
    explored = [item._replace(propensity=chance) for item, chance in zip(ITEMS, (1.0, 0.25, 0.5), strict=False)]
    assert unpack(pack(explored)) == [*explored]
    assert len(pack(explored)) == len(pack(ITEMS[: len(explored)])) + 4 * len(explored)
