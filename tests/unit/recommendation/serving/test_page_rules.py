"""Business rules: the mask over the catalogue is what checking each product by itself gives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.request import Filters, Price
from shared.db.products import CatalogueEntry
from shared.page_rules import allowed_rows
from tests.unit.recommendation.small import catalogue, entry

NOBODY = np.empty(0, np.int32)
SHELF = [
    entry(1),
    entry(2, category="Tea"),
    entry(3, inventory_status="OUT_OF_STOCK"),
    entry(4, inventory_status="PREORDER"),
    entry(5, price=None, currency=None),
    entry(6, currency="USD"),
    entry(7, category="", price=0),
    entry(8, inventory_status="DISCONTINUED"),
    entry(9, recommendable=False),
]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), [1, 2, 4, 5, 6, 7]),
        (Filters(in_stock_only=True), [1, 2, 5, 6, 7]),
        (Filters(categories=frozenset({"Tea", "Unknown"})), [2]),
        (Filters(categories=frozenset({"Unknown"})), []),
        (Filters(page_category="Coffee"), [1, 4, 5, 6]),
        (Filters(categories=frozenset({"Tea"}), page_category="Coffee"), []),
        (Filters(min_price=Price(200, "EUR")), [2, 4]),
        (Filters(max_price=Price(200, "EUR")), [1, 2, 7]),
        (Filters(min_price=Price(100, "EUR"), max_price=Price(200, "EUR")), [1, 2]),
        (Filters(min_price=Price(0, "USD")), [6]),
        (Filters(min_price=Price(0, "GBP")), []),
        (Filters(exclude_product_ids=frozenset({"p1", "p4", "p99"})), [2, 5, 6, 7]),
    ],
)
def test_what_may_be_shown(filters: Filters, expected: list[int]) -> None:
    made = catalogue(*SHELF)
    assert made.keys[allowed_rows(made, filters, NOBODY)].tolist() == expected


def test_excluded_rows_are_not_shown_and_unknown_ones_do_no_harm() -> None:
    made = catalogue(*SHELF)
    allowed = allowed_rows(made, Filters(), np.array([0, -1, 5], np.int32))
    assert made.keys[allowed].tolist() == [2, 4, 5, 7]


STATUSES = st.sampled_from(["IN_STOCK", "OUT_OF_STOCK", "PREORDER", "BACKORDER", "DISCONTINUED"])
NAMES = st.sampled_from(["", "Tea", "Coffee"])
PRICES = st.none() | st.builds(Price, st.integers(0, 5), st.sampled_from(["EUR", "USD"]))
ENTRIES = st.tuples(NAMES, st.none() | st.integers(0, 5), st.sampled_from(["EUR", "USD"]), STATUSES)


@given(
    st.lists(ENTRIES, min_size=1, max_size=6),
    st.builds(
        Filters,
        categories=st.frozensets(st.sampled_from(["Tea", "Coffee", "Other"]), max_size=2),
        page_category=st.sampled_from(["", "Tea"]),
        min_price=PRICES,
        max_price=PRICES,
        exclude_product_ids=st.frozensets(st.sampled_from(["p1", "p2", "p9"])),
        in_stock_only=st.booleans(),
    ),
)
def test_the_mask_is_what_each_product_by_itself_gives(
    shelf: list[tuple[str, int | None, str, str]], filters: Filters
) -> None:
    entries = [
        entry(key, category=category, price=price, currency=currency, inventory_status=status)
        for key, (category, price, currency, status) in enumerate(shelf, start=1)
    ]
    allowed = allowed_rows(catalogue(*entries), filters, NOBODY)
    assert allowed.tolist() == [_permitted(each, filters) for each in entries]


def _permitted(product: CatalogueEntry, filters: Filters) -> bool:
    named = [names for names in (filters.categories, frozenset({filters.page_category} - {""})) if names]
    buyable = ("IN_STOCK",) if filters.in_stock_only else ("IN_STOCK", "PREORDER", "BACKORDER")
    return (
        product.inventory_status in buyable
        and all(product.category in names for names in named)
        and product.external_id not in filters.exclude_product_ids
        and all(
            product.price is not None
            and product.currency == bound.currency
            and sign * product.price >= sign * bound.amount
            for bound, sign in ((filters.min_price, 1), (filters.max_price, -1))
            if bound is not None
        )
    )
