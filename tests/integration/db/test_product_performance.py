"""Each number of a product's performance comes from the rows that say it, and from none outside the period."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.db import product_performance, products
from shared.db.engine import Connection, Database
from shared.db.product_performance import BEST_SELLER_PERIOD, PopularProduct, ProductPerformance, best_sellers
from shared.db.products import NewProduct
from tests.integration.product.events import record_cart, record_purchase, record_recommendation, record_view

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=30)
INSIDE = START + timedelta(days=1)
OUTSIDE = (START - timedelta(microseconds=1), END)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


def add(connection: Connection, external_id: str, category: str = "", status: str = "IN_STOCK") -> int:
    new = NewProduct(external_id=external_id, name=external_id, category=category, inventory_status=status)
    return products.upsert_products(connection, [new]).keys[external_id]


def performance(connection: Connection, key: int) -> ProductPerformance:
    return product_performance.performance(connection, key, START, END)


def test_without_rows_everything_is_zero(connection: Connection) -> None:
    result = performance(connection, add(connection, "a"))
    assert result == ProductPerformance()
    assert (result.conversion_rate, result.recommendation_ctr) == (0.0, 0.0)


def test_every_kind_of_row_counts_within_the_period_only(connection: Connection) -> None:
    a, b = add(connection, "a"), add(connection, "b")
    for moment in (START, INSIDE, *OUTSIDE):
        record_view(connection, a, moment)
        record_cart(connection, a, moment)
        record_purchase(connection, moment, {a: {}, b: {"amount": 7}})
        record_recommendation(connection, a, START, was_shown=True, shown_at=moment)
    result = performance(connection, a)
    assert result == ProductPerformance(2, 2, 2, 2.0, {"USD": 200}, 2, 0)
    assert result.conversion_rate == 1.0


def test_a_product_is_not_counted_for_another_whose_key_or_id_contains_its_own(connection: Connection) -> None:
    keys = {name: add(connection, name) for name in map(str, range(1, 12))}
    assert str(keys["1"]) in str(keys["11"]), "or this says nothing"
    record_purchase(connection, INSIDE, {keys["11"]: {}})
    assert performance(connection, keys["11"]).purchases == 1
    assert performance(connection, keys["1"]).purchases == 0


def test_refunds_are_taken_off_and_currencies_kept_apart(connection: Connection) -> None:
    a = add(connection, "a")
    refunded = {"quantity": 3.0, "amount": 900, "refunded_quantity": 1.0, "refunded_amount": 300}
    record_purchase(connection, INSIDE, {a: refunded}, currency="EUR")
    record_purchase(connection, INSIDE, {a: {"quantity": 0.5, "amount": 50}})
    result = performance(connection, a)
    assert (result.purchases, result.units_sold, result.revenue) == (2, 2.5, {"EUR": 600, "USD": 50})
    assert result.conversion_rate == 0.0


def test_a_click_counts_with_the_display_it_belongs_to(connection: Connection) -> None:
    a = add(connection, "a")
    record_recommendation(connection, a, INSIDE)
    record_recommendation(connection, a, INSIDE, was_shown=True, shown_at=INSIDE)
    record_recommendation(connection, a, INSIDE, was_shown=True, shown_at=INSIDE, was_clicked=True, clicked_at=END)
    record_recommendation(connection, a, INSIDE, was_clicked=True, clicked_at=INSIDE)
    record_recommendation(
        connection, a, INSIDE, was_shown=True, shown_at=OUTSIDE[0], was_clicked=True, clicked_at=START
    )
    result = performance(connection, a)
    assert (result.recommendations_shown, result.recommendations_clicked) == (3, 2)
    assert result.recommendation_ctr == pytest.approx(2 / 3)


def test_best_sellers_are_bought_most_then_viewed_most(connection: Connection) -> None:
    a, b, c, d = (add(connection, name, "x") for name in "abcd")
    gone = add(connection, "gone", "x", status="OUT_OF_STOCK")
    record_purchase(connection, INSIDE, {b: {"quantity": 9.0}, gone: {}})
    record_purchase(connection, INSIDE, {c: {}})
    record_purchase(connection, INSIDE, {c: {}})
    record_purchase(connection, END, {a: {}})
    for key in (d, a, a):
        record_view(connection, key, INSIDE)
    popular = best_sellers(connection, END, 10)
    assert popular == [
        PopularProduct(c, "x", 2, 0),
        PopularProduct(b, "x", 1, 0),
        PopularProduct(a, "x", 0, 2),
        PopularProduct(d, "x", 0, 1),
    ]
    assert best_sellers(connection, END, 1) == popular[:1]


def test_best_sellers_are_the_first_of_all_and_of_each_category(connection: Connection) -> None:
    a, b, c, d = (add(connection, name, category) for name, category in zip("abcd", ("x", "x", "y", "y"), strict=True))
    for key, times in ((a, 4), (b, 3), (c, 2), (d, 1)):
        for _ in range(times):
            record_view(connection, key, INSIDE)

    def keys(overall: int, per_category: int = 0, most: int | None = None) -> list[int]:
        return [each.key for each in best_sellers(connection, END, overall, per_category, most)]

    assert keys(3) == [a, b, c]
    assert keys(0, 1) == [a, c]
    assert keys(1, 2) == [a, b, c, d]
    assert keys(1, 2, most=2) == [a, c], "the first of each category come before the second of any"


def test_a_quiet_shop_has_the_best_sellers_of_all_time(connection: Connection) -> None:
    a, b = add(connection, "a", "x"), add(connection, "b", "x")
    for key in (a, a, b):
        record_view(connection, key, INSIDE)
    assert [each.key for each in best_sellers(connection, END + 2 * BEST_SELLER_PERIOD, 5)] == [a, b]
    record_view(connection, b, END + BEST_SELLER_PERIOD)
    assert [each.key for each in best_sellers(connection, END + 2 * BEST_SELLER_PERIOD, 5)] == [b]
    assert best_sellers(connection, START - BEST_SELLER_PERIOD, 5) == []
