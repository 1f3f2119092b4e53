"""What customers did comes out the same whatever order events arrive in; carts follow the order of arrival."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quintet.type.v1.event_pb2 import Event

from shared.db.engine import Database
from shared.db.schema import browsing_history, customers, page_events, purchase_items, purchases, sessions
from tests.support.events import add_customers, add_products, event, happened, purchase, rows, view

HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(["anna", "ben"]), st.sampled_from(["view", "page", "buy"]), st.integers(0, 300)),
    min_size=1,
    max_size=10,
    unique=True,
)


def made(happenings: Sequence[tuple[str, str, int]]) -> list[Event]:
    return [
        view(who, "p1", minute)
        if what == "view"
        else event(who, minute, search={"query": f"{minute}"})
        if what == "page"
        else purchase(who, f"{who}-{minute}", [("p1", 1, 100)], minute)
        for who, what, minute in happenings
    ]


def outcome(database: Database) -> dict[str, Any]:
    """Return what customers did, without the keys that count up in the order of arrival."""
    visits = {row["session_id"]: (row["started_at"], row["last_event_at"]) for row in rows(database, "sessions")}
    times = {"browsing_history": "view_time", "page_events": "occurred_at", "purchases": "timestamp"}
    done: dict[str, Any] = {
        table: sorted((row["customer_id"], row[at], visits[row["session_id"]]) for row in rows(database, table))
        for table, at in times.items()
    }
    done["sessions"] = sorted((*visits[row["session_id"]], row["event_count"]) for row in rows(database, "sessions"))
    done["last_active"] = [(row["customer_id"], row["last_active"]) for row in rows(database, "customers")]
    return done


def emptied(database: Database) -> None:
    with database.write() as connection:
        for table in (purchase_items, purchases, browsing_history, page_events, sessions):
            connection.execute(table.delete())
        connection.execute(customers.update().values(last_active=None))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings=HAPPENINGS, data=st.data(), batch=st.integers(1, 4))
def test_late_events_change_nothing_but_carts(
    sqlite_database: Database, happenings: list[tuple[str, str, int]], data: st.DataObject, batch: int
) -> None:
    add_customers(sqlite_database, "anna", "ben")
    if not rows(sqlite_database, "products"):
        add_products(sqlite_database, {"p1": (100, "USD")})
    emptied(sqlite_database)
    happened(sqlite_database, *made(sorted(happenings, key=lambda each: each[2])))
    in_order = outcome(sqlite_database)
    emptied(sqlite_database)
    late = data.draw(st.permutations(happenings))
    for start in range(0, len(late), batch):
        happened(sqlite_database, *made(late[start : start + batch]))
    assert outcome(sqlite_database) == in_order
