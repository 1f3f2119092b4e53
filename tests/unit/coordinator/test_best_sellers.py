"""Best-sellers in memory: columns that follow the products, in the order in which they sell."""

import numpy as np

from services.coordinator.best_sellers import BestSellers
from shared.inventory import NOT_BUYABLE, NOT_RECOMMENDABLE, NOW, ON_ORDER
from tests.unit.recommendation.small import entry


def test_columns_say_what_the_rules_look_at() -> None:
    made = BestSellers.of(
        [
            entry(5, category="Tea"),
            entry(3, price=None, currency=None, inventory_status="PREORDER"),
            entry(9, category="", recommendable=False),
        ],
        change=4,
    )
    assert made.stock.tolist() == [NOW, ON_ORDER, NOT_RECOMMENDABLE]
    assert made.category.tolist() == [made.categories.of("Tea"), made.categories.of("Coffee"), -1]
    assert made.currency.tolist() == [0, -1, 0]
    assert made.price.tolist() == [500, -1, 900]
    assert (len(made), made.change) == (3, 4)


def test_products_are_found_by_id_and_key_and_others_are_not() -> None:
    made = BestSellers.of([entry(5), entry(3)])
    assert (made.row_of_id("p3"), made.row_of_id("p4")) == (1, None)
    assert made.rows_of_ids(["p4", "p5"]).tolist() == [-1, 0]
    assert made.rows_of(np.array([3, 4, 5])).tolist() == [1, -1, 0]


def test_a_change_takes_effect_in_a_new_state_and_leaves_the_old_one() -> None:
    before = BestSellers.of([entry(5), entry(3)], change=1)
    after = before.updated([entry(3, price=7, currency="USD", category="Tea", inventory_status="OUT_OF_STOCK")], 2)
    assert (after.stock.tolist(), after.price.tolist(), after.change) == ([NOW, NOT_BUYABLE], [500, 7], 2)
    assert after.category.tolist() == [after.categories.of("Coffee"), after.categories.of("Tea")]
    assert after.entries[1].currency == "USD"
    assert (before.stock.tolist(), before.price.tolist(), before.change) == ([NOW, NOW], [500, 300], 1)


def test_none_are_none() -> None:
    assert len(BestSellers.of()) == 0
    assert BestSellers.of().updated([], 3).change == 3
