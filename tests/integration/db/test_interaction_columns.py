"""All interactions as columns: the same as one customer after the other, a piece at a time, in little memory."""

from dataclasses import fields

import numpy as np
import pytest
from sqlalchemy import select

from shared.db import interactions, number_rows
from shared.db.driver import PreparedQuery
from shared.db.engine import Database
from shared.db.schema import browsing_history, customers
from tests.support.events import NOON, add, add_customers, add_products, happened, purchase, refund, view


@pytest.fixture
def keys(database: Database) -> dict[str, int]:
    found = add_customers(database, "anna", "ben") | add_products(database, {"p1": (100, "USD"), "p2": None})
    happened(database, view("ben", "p1", 5), view("anna", "p2", 9), add("ben", {"p2": 3}, 5), view("anna", "p1", 2))
    happened(database, purchase("anna", "o-1", [("p1", 2, 200), ("p2", 3, 300)]), view("anna", "p1", 2))
    happened(database, refund("anna", "o-1", {"p2": 1}))
    return found


def test_they_are_those_of_each_customer(database: Database, keys: dict[str, int]) -> None:
    with database.read() as connection:
        found = interactions.all_interactions(connection)
        expected = interactions.interactions_of(connection, [keys["anna"], keys["ben"]])
    assert len(found) == len(expected) == 7
    for field in fields(found):
        assert getattr(found, field.name).tolist() == getattr(expected, field.name).tolist(), field.name


def test_a_large_file_is_read_the_same_up_to_what_the_transaction_sees(
    database: Database, keys: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_rows, "ROWS_AT_ONCE", 3)
    with database.read() as connection:
        expected = interactions.all_interactions(connection)
        monkeypatch.setattr(number_rows, "LARGE", 1)
        happened(database, view("anna", "p1", 2))
        found = interactions.all_interactions(connection)
    for field in fields(found):
        assert getattr(found, field.name).tolist() == getattr(expected, field.name).tolist(), field.name


def test_training_reads_no_amounts_and_no_durations(database: Database, keys: dict[str, int]) -> None:
    with database.read() as connection:
        found = interactions.training_interactions(connection)
        expected = interactions.all_interactions(connection)
    for name in ("customers", "products", "kinds", "quantities", "times", "sessions", "purchases"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist(), name
    for column in (found.amounts, found.durations):
        assert column.tolist() == [0] * len(found)
        assert column.strides == (0,)


def test_keys_take_four_bytes_where_all_fit(database: Database, keys: dict[str, int]) -> None:
    with database.read() as connection:
        small = interactions.all_interactions(connection)
    with database.write() as connection:
        large = 2**40
        columns = {"registration_date": NOON, "demographics": {}}
        connection.execute(customers.insert().values(customer_id=large, **columns))
        moved = browsing_history.c.customer_id == keys["ben"]
        connection.execute(browsing_history.update().where(moved).values(customer_id=large))
    with database.read() as connection:
        found = interactions.all_interactions(connection)
    assert (small.customers.dtype, found.customers.dtype) == (np.int32, np.int64)
    assert found.customers.tolist()[-1] == large
    assert found.products.dtype == np.int32


def test_pieces_are_no_larger_than_said_and_hold_every_row(
    database: Database, keys: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_rows, "ROWS_AT_ONCE", 3)
    query = PreparedQuery(select(browsing_history.c.id).order_by(browsing_history.c.id))
    with database.read() as connection:
        pieces = [piece["id"].tolist() for piece in number_rows.number_rows(connection, query, [("id", np.int64)])]
        everything = interactions.all_interactions(connection)
    assert [len(piece) for piece in pieces] == [3, 1]
    assert len(everything) == 7
