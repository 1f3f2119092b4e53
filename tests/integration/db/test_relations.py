"""Relations between products are stored per product and read one by one, in bulk, and as arrays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from shared.db import products, relations
from shared.db.engine import Connection, Database
from shared.db.products import NewProduct
from shared.db.relations import COMPLEMENTARY, SIMILAR, Related
from tests.integration.product.events import record_purchase

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def related(*pairs: tuple[int, float]) -> Related:
    return Related(
        np.array([key for key, _ in pairs], dtype=np.int64), np.array([s for _, s in pairs], dtype=np.float32)
    )


def as_lists(found: Related | None) -> Any:
    return None if found is None else (found.keys.tolist(), found.scores.tolist())


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


@pytest.fixture
def keys(connection: Connection) -> list[int]:
    new = [NewProduct(external_id=name, name=name) for name in "abc"]
    return sorted(products.upsert_products(connection, new).keys.values())


def test_a_relation_is_read_back_strongest_first(connection: Connection, keys: list[int]) -> None:
    a, b, c = keys
    relations.store_relations(connection, SIMILAR, [(a, related((c, 0.75), (b, 0.5)))])
    found = relations.read_relation(connection, SIMILAR, a)
    assert as_lists(found) == ([c, b], [0.75, 0.5])
    assert relations.read_relation(connection, COMPLEMENTARY, a) is None
    assert relations.read_relation(connection, SIMILAR, b) is None


def test_an_empty_row_is_not_a_missing_one(connection: Connection, keys: list[int]) -> None:
    relations.store_relations(connection, SIMILAR, [(keys[0], related())])
    assert as_lists(relations.read_relation(connection, SIMILAR, keys[0])) == ([], [])


def test_storing_again_replaces(connection: Connection, keys: list[int]) -> None:
    a, b, c = keys
    relations.store_relations(connection, SIMILAR, [(a, related((c, 0.5)))])
    relations.store_relations(connection, SIMILAR, [(a, related((b, 0.25)))])
    relations.store_relations(connection, SIMILAR, [])
    assert as_lists(relations.read_relation(connection, SIMILAR, a)) == ([b], [0.25])


def test_the_table_of_a_relation_gives_the_rows_of_its_products(connection: Connection, keys: list[int]) -> None:
    a, b, c = keys
    rows = {a: related((c, 0.75), (b, 0.5)), b: related(), c: related((a, 1.0))}
    relations.store_relations(connection, COMPLEMENTARY, rows.items())
    table = relations.all_relations(connection, COMPLEMENTARY)
    assert table.keys.tolist() == keys
    assert {key: as_lists(table.of(key)) for key in keys} == {key: as_lists(row) for key, row in rows.items()}
    assert table.of(10**9) is None
    assert table.of(-1) is None
    some = relations.read_relations(connection, COMPLEMENTARY, [a, b, 10**9])
    assert {key: as_lists(row) for key, row in some.items()} == {key: as_lists(rows[key]) for key in (a, b)}


def test_a_relation_never_computed_is_an_empty_table(connection: Connection) -> None:
    table = relations.all_relations(connection, SIMILAR)
    assert (len(table.keys), table.starts.tolist(), len(table.related)) == (0, [0], 0)
    assert table.of(1) is None
    assert relations.computed_through(connection, SIMILAR) == 0


def test_what_each_relation_was_computed_on_is_known(connection: Connection) -> None:
    for change in (7, 9):
        relations.mark_computed(connection, SIMILAR, change)
        assert relations.computed_through(connection, SIMILAR) == change
    assert relations.computed_through(connection, COMPLEMENTARY) == 0


def test_basket_lines_leave_out_what_was_refunded_entirely(connection: Connection, keys: list[int]) -> None:
    a, b, c = keys
    lines = {a: {"quantity": 2.0, "refunded_quantity": 1.0}, b: {"quantity": 1.0, "refunded_quantity": 1.0}}
    first = record_purchase(connection, NOON, lines)
    second = record_purchase(connection, NOON + timedelta(days=1), {c: {}})
    found = relations.basket_lines(connection)
    assert sorted(zip(found.purchases.tolist(), found.products.tolist(), strict=True)) == [(first, a), (second, c)]
    later = relations.basket_lines(connection, since=NOON + timedelta(hours=1))
    assert (later.purchases.tolist(), later.products.tolist()) == ([second], [c])


def test_without_orders_there_are_no_lines(connection: Connection) -> None:
    found = relations.basket_lines(connection)
    assert found.purchases.size == found.products.size == 0
