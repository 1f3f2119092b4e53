"""Rows inserted at once are there in their order, under the keys that were told."""

import pytest

from shared.db.bulk import insert_numbered
from shared.db.engine import Database, StaleReference
from shared.db.schema import sessions
from tests.support.events import add_customers, rows

COLUMNS = ("customer_id", "external_id", "started_at", "last_event_at", "event_count")


def test_keys_are_those_of_the_rows_in_their_order(database: Database) -> None:
    owner = add_customers(database, "anna")["anna"]
    given = [(owner, name, 1, 2, count) for count, name in enumerate(("c", "a", "b"), start=1)]
    keys: list[int] = []
    for some in (given[:2], [], given[2:]):
        with database.write() as connection:
            keys += insert_numbered(connection, sessions, COLUMNS, some)
    stored = {row["session_id"]: row["external_id"] for row in rows(database, "sessions")}
    assert [stored[key] for key in keys] == ["c", "a", "b"]
    assert keys == sorted(keys)


@pytest.mark.parametrize("count", [198, 199, 200, 450])
def test_more_rows_than_a_statement_takes_are_all_there_in_their_order(database: Database, count: int) -> None:
    owner = add_customers(database, "anna")["anna"]
    given = [(owner, f"visit {number}", 1, 2, number) for number in range(count)]
    with database.write() as connection:
        keys = insert_numbered(connection, sessions, COLUMNS, given)
    stored = {row["session_id"]: (row["external_id"], row["event_count"]) for row in rows(database, "sessions")}
    assert [stored[key] for key in keys] == [(name, number) for _, name, _, _, number in given]
    assert len(stored) == count


def test_a_reference_to_nothing_is_refused_with_all_rows(database: Database) -> None:
    owner = add_customers(database, "anna")["anna"]
    with pytest.raises(StaleReference), database.write() as connection:
        insert_numbered(connection, sessions, COLUMNS, [(owner, "a", 1, 2, 1), (999_999, "b", 1, 2, 1)])
    assert not rows(database, "sessions")
