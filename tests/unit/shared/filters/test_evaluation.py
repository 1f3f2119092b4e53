"""A filter's mask over columns holds exactly the products that the filter means, one by one."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.filters.evaluation import evaluate
from shared.filters.masks import FilterMasks
from shared.filters.parser import parse
from shared.filters.tree import Expression
from shared.inventory import INVENTORY_STATUSES
from tests.unit.shared.filters.shelf import Item, Shelf, holds
from tests.unit.shared.filters.trees import EXPRESSIONS

MAY = int(datetime(2026, 5, 1, tzinfo=UTC).timestamp())
SHELF = Shelf(
    Item("a", "Acme", "Tea", "Green", price=1999, rating=4.3, tags=("sale", "new"), attributes={"color": "red"}),
    Item("b", "Bolt", "Tea", price=2000, currency="USD", available_time=MAY, attributes={"color": ["red", "blue"]}),
    Item("c", "Acme", "", price=20, currency="JPY", status="PREORDER", attributes={"size": 42, "organic": True}),
    Item("d", price=None, rating=4.0, group_id="g", attributes={"size": "42", "organic": False}),
    Item("e", "Acme", "Coffee", price=2001, tags=("sale",), attributes={"long name": 1.5}),
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('brand = "Acme"', "ace"),
        ('brand = "acme"', ""),
        ('brand != "Acme"', "bd"),
        ('brand IN ("Bolt", "Nobody")', "b"),
        ('subcategory = "Green"', "a"),
        ("category: *", "abe"),
        ("NOT category: *", "cd"),
        ("price < 20.00", "a"),
        ("price <= 20", "abc"),
        ("price = 19.99", "a"),
        ("price > 20", "e"),
        ("price != 20", "ade"),
        ('price < 100 AND currency = "USD"', "b"),
        ("price: *", "abce"),
        ("rating >= 4.3", "a"),
        ("rating: *", "ad"),
        ('status = "PREORDER"', "c"),
        ('available_time >= "2026-05-01T02:00:00+02:00"', "b"),
        ('available_time = "2026-05-01T00:00:00Z"', "b"),
        ('group_id = "g"', "d"),
        ('product_id IN ("a", "z", "d")', "ad"),
        ('tags: "sale"', "ae"),
        ("tags: *", "ae"),
        ('tags != "new"', "bcde"),
        ('attributes.color = "red"', "ab"),
        ('attributes.color = "red" AND attributes.color = "blue"', "b"),
        ("attributes.size = 42", "c"),
        ('attributes.size = "42"', "d"),
        ('attributes.size IN (42, "42")', "cd"),
        ("attributes.size: *", "cd"),
        ("attributes.size < 100", "c"),
        ("attributes.organic = true", "c"),
        ("attributes.organic != true", "abde"),
        ('attributes."long name" > 1', "e"),
        ("attributes.nothing: *", ""),
        ('brand = "Acme" AND (price < 20.00 OR tags: "sale") AND NOT attributes.color = "red"', "e"),
    ],
)
def test_a_filter_holds_for(text: str, ids: str) -> None:
    expression = parse(text)
    assert expression is not None
    mask = evaluate(expression, SHELF)
    assert "".join(item.product_id for item, held in zip(SHELF.items, mask.tolist(), strict=True) if held) == ids


WORDS = st.sampled_from(["", "a", "Acme", "red", "1"])
NUMBERS = st.integers(-3, 3) | st.sampled_from([0.5, 19.99])
GIVEN = WORDS.filter(bool) | NUMBERS | st.booleans() | st.lists(WORDS.filter(bool), max_size=2, unique=True)
ITEMS = st.builds(
    Item,
    product_id=st.uuids().map(str),
    brand=WORDS,
    category=WORDS,
    subcategory=WORDS,
    group_id=WORDS,
    price=st.none() | st.integers(0, 100_000),
    currency=st.sampled_from(["EUR", "JPY", "KWD"]),
    rating=st.none() | st.integers(0, 50).map(lambda tenths: tenths / 10),
    status=st.sampled_from(INVENTORY_STATUSES),
    available_time=st.sampled_from([0, 1767225600, MAY]),
    tags=st.lists(WORDS.filter(bool), max_size=2, unique=True).map(tuple),
    attributes=st.dictionaries(st.sampled_from(["color", "Größe in cm", "IN"]), GIVEN),
)


@given(st.lists(ITEMS, max_size=6), EXPRESSIONS)
def test_the_mask_is_what_the_filter_means_for_each_product(items: list[Item], expression: Expression) -> None:
    expected = [holds(expression, item) for item in items]
    assert evaluate(expression, Shelf(*items)).tolist() == expected


def test_a_mask_is_made_once_for_the_same_products() -> None:
    masks, expression, again = FilterMasks(), parse('brand = "Acme"'), Shelf(*SHELF.items)
    assert expression is not None
    first = masks.of(expression, SHELF)
    assert masks.of(expression, SHELF) is first
    other = masks.of(expression, again)
    assert other is not first
    assert masks.of(expression, SHELF) is first, "products asked about in turn keep their masks"
    np.testing.assert_array_equal(other, first)
    with pytest.raises(ValueError, match="read-only"):
        first[0] = False


def test_masks_beyond_the_room_for_them_go_the_oldest_first() -> None:
    masks = FilterMasks(most_bytes=2 * len(SHELF.items))
    one, two, three = (parse(f"price < {number}") for number in (1, 2, 3))
    assert one is not None
    assert two is not None
    assert three is not None
    first, second = masks.of(one, SHELF), masks.of(two, SHELF)
    assert masks.of(one, SHELF) is first
    masks.of(three, SHELF)
    assert masks.of(one, SHELF) is first
    assert masks.of(two, SHELF) is not second
