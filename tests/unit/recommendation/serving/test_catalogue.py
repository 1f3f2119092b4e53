"""The catalogue in memory: rows, changes and embeddings."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.serving.catalogue import Catalogue
from shared.codes import Codes
from shared.inventory import NOT_BUYABLE, NOW, ON_ORDER, stock_of
from shared.place_columns import price_at
from tests.unit.recommendation.small import catalogue, entry


def test_the_rows_of_the_model_come_first_and_unknown_ones_are_not_buyable() -> None:
    made = catalogue(entry(2), entry(7), entry(5), keys=(5, 9, 2))
    assert made.keys.tolist() == [5, 9, 2, 7]
    assert made.stock.tolist() == [NOW, NOT_BUYABLE, NOW, NOW]
    assert list(made.external_ids) == ["p5", "", "p2", "p7"]
    assert made.rows_of([7, 5, 100]).tolist() == [3, 0, -1]
    assert (made.row_of_id("p7"), made.row_of_id("p9")) == (3, None)


def test_a_change_makes_a_new_catalogue_and_leaves_the_old() -> None:
    old = catalogue(entry(1), entry(2))
    new = old.updated([entry(2, change=5, price=None, currency=None, inventory_status="PREORDER", category="Tea")])
    assert (new.price.tolist(), old.price.tolist()) == ([100, -1], [100, 200])
    assert (new.stock.tolist(), old.stock.tolist()) == ([NOW, ON_ORDER], [NOW, NOW])
    assert new.categories.names == ("Coffee", "Tea")
    assert (new.category.tolist(), new.currency.tolist()) == ([0, 1], [0, -1])
    assert (new.change, old.change) == (5, 1)


def test_the_last_of_several_changes_of_a_product_counts() -> None:
    made = catalogue(entry(1, change=1, price=1), entry(1, change=2, price=2))
    assert made.price.tolist() == [2]
    assert made.change == 2


def test_no_change_is_the_same_catalogue() -> None:
    made = catalogue(entry(1))
    assert made.updated([]) is made
    assert made.with_embeddings("", np.empty(0, np.int64), np.empty((0, 0), np.float32)) is made


def test_embeddings_are_unit_rows_and_zeros_for_none() -> None:
    made = catalogue(entry(1), entry(2), entry(3))
    made = made.with_embeddings("s1", np.array([3, 1, 50]), np.array([[3, 4], [0, 2], [1, 1]], np.float32))
    np.testing.assert_allclose(made.embeddings, [[0, 1], [0, 0], [0.6, 0.8]], rtol=1e-6)
    more = made.with_embeddings("s1", np.array([2]), np.array([[1, 0]], np.float32))
    np.testing.assert_allclose(more.embeddings, [[0, 1], [1, 0], [0.6, 0.8]], rtol=1e-6)


def test_another_space_forgets_the_embeddings_of_the_old() -> None:
    made = catalogue(entry(1), entry(2)).with_embeddings("s1", np.array([1, 2]), np.eye(2, dtype=np.float32))
    moved = made.with_embeddings("s2", np.array([2]), np.array([[1, 0, 0]], np.float32))
    assert moved.space == "s2"
    np.testing.assert_array_equal(moved.embeddings, [[0, 0, 0], [1, 0, 0]])


def test_a_request_that_took_a_catalogue_sees_no_row_beyond_it() -> None:
    old = catalogue(entry(1))
    old = old.with_embeddings("s1", np.array([1]), np.array([[1, 0]], np.float32))
    new = old.updated([entry(2, change=2)]).updated([entry(3, change=3)])
    assert (len(old), len(old.embeddings), len(old.stock), old.row_of_id("p2")) == (1, 1, 1, None)
    assert old.rows_of([1, 2]).tolist() == [0, -1]
    assert new.rows_of([3, 2, 1]).tolist() == [2, 1, 0]
    assert new.embeddings.tolist() == [[1, 0], [0, 0], [0, 0]]


def test_two_catalogues_made_from_one_do_not_mix_their_products() -> None:
    old = catalogue(entry(1))
    one, other = old.updated([entry(2)]), old.updated([entry(3)])
    assert list(one.external_ids) == ["p1", "p2"]
    assert list(other.external_ids) == ["p1", "p3"]


def test_a_product_is_shown_as_the_catalogue_has_it() -> None:
    made = catalogue(entry(1, image_url="https://shop/1.png"), entry(2, price=None, currency=None, category=""))
    assert (price_at(made, 0), made.category_of(0), made.image_urls[0]) == (
        (100, "EUR"),
        "Coffee",
        "https://shop/1.png",
    )
    assert (price_at(made, 1), made.category_of(1), made.image_urls[1]) == (None, "", "")


@given(st.lists(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 50)), min_size=1, max_size=5), max_size=6))
def test_changes_one_by_one_are_like_all_at_once(batches: list[list[tuple[int, int]]]) -> None:
    stepwise = Catalogue.of_keys(np.empty(0, np.int64))
    last: dict[int, int] = {}
    for number, batch in enumerate(batches, start=1):
        stepwise = stepwise.updated([entry(key, number, price=price, name=f"Word{price}") for key, price in batch])
        last.update(batch)
    for key, price in last.items():
        row = int(stepwise.rows_of([key])[0])
        assert stepwise.price[row] == price
        assert stepwise.names[row] == f"Word{price}"
        assert row in stepwise.index.matches(f"word{price}")[0]
        assert stepwise.row_of_id(f"p{key}") == row
    assert len(stepwise) == len(last)


def test_statuses_of_stock() -> None:
    statuses = ["IN_STOCK", "PREORDER", "BACKORDER", "OUT_OF_STOCK", "DISCONTINUED", "strange"]
    assert [stock_of(status) for status in statuses] == [NOW, ON_ORDER, ON_ORDER, *[NOT_BUYABLE] * 3]


def test_codes_grow_without_changing() -> None:
    first = Codes().extended(["b", "", "a", "b"])
    second = first.extended(["a", "c"])
    assert (first.names, second.names) == (("b", "a"), ("b", "a", "c"))
    assert [second.of(name) for name in ("b", "c", "", "x")] == [0, 2, -1, -1]
    assert first.extended(["a"]) is first
