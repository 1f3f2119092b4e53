"""Sessions are the same whatever order events arrive in, and however they are batched."""

from collections import defaultdict
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.db.engine import Database
from shared.db.schema import page_events, sessions
from tests.support.events import NOON, add_customers, add_products, event, happened, rows, view

MINUTES = st.lists(st.tuples(st.sampled_from(["anna", "ben"]), st.integers(0, 400)), min_size=1, max_size=14)


def minutes_by_session(database: Database) -> set[tuple[int, ...]]:
    found = defaultdict(list)
    for row in rows(database, "page_events"):
        found[row["session_id"]].append(int((row["occurred_at"] - NOON).total_seconds()) // 60)
    return {tuple(sorted(minutes)) for minutes in found.values()}


def split_at_silence(minutes: list[int]) -> set[tuple[int, ...]]:
    """The obvious twin: sort, and cut where more than 30 minutes lie between two events."""
    groups: list[list[int]] = []
    for minute in sorted(minutes):
        if groups and minute - groups[-1][-1] <= 30:
            groups[-1].append(minute)
        else:
            groups.append([minute])
    return {tuple(group) for group in groups}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happenings=MINUTES, batches=st.integers(1, 5))
def test_silence_alone_decides(sqlite_database: Database, happenings: list[tuple[str, int]], batches: int) -> None:
    with sqlite_database.write() as connection:
        connection.execute(page_events.delete())
        connection.execute(sessions.delete())
    add_customers(sqlite_database, "anna", "ben")
    for start in range(0, len(happenings), batches):
        some = happenings[start : start + batches]
        happened(sqlite_database, *(event(who, minute, home_view={}) for who, minute in some))
    expected = [split_at_silence([m for who, m in happenings if who == name]) for name in ("anna", "ben")]
    found = minutes_by_session(sqlite_database)
    assert found == expected[0] | expected[1]
    stored = rows(sqlite_database, "sessions")
    assert sum(row["event_count"] for row in stored) == len(happenings)
    assert {(row["started_at"], row["last_event_at"]) for row in stored} == {
        (NOON + timedelta(minutes=group[0]), NOON + timedelta(minutes=group[-1])) for group in found
    }


def test_a_late_event_joins_two_sessions_and_all_that_refers_to_them(database: Database) -> None:
    add_customers(database, "anna")
    add_products(database, {"p1": None})
    happened(database, view("anna", "p1"), event("anna", 50, add_to_cart={"items": [{"product_id": "p1"}]}))
    assert len(rows(database, "sessions")) == 2
    happened(database, event("anna", 25, home_view={}))
    (session,) = rows(database, "sessions")
    assert session["event_count"] == 3
    for table in ("browsing_history", "cart_items", "page_events"):
        assert [row["session_id"] for row in rows(database, table)] == [session["session_id"]], table


def test_the_silence_of_exactly_thirty_minutes_is_the_longest(database: Database) -> None:
    add_customers(database, "anna")
    happened(database, *(event("anna", minute, home_view={}) for minute in (0, 30, 60.1)))
    assert minutes_by_session(database) == {(0, 30), (60,)}


def test_the_platforms_own_sessions_go_before_silence(database: Database) -> None:
    add_customers(database, "anna", "ben")
    happened(
        database,
        event("anna", 0, session="s-1", home_view={}),
        event("anna", 1, session="s-2", home_view={}),
        event("ben", 1, session="s-1", home_view={}),
    )
    happened(database, event("anna", 500, session="s-1", home_view={}), event("anna", 501, home_view={}))
    found = [(row["external_id"], row["event_count"]) for row in rows(database, "sessions")]
    assert sorted(found, key=str) == [("s-1", 1), ("s-1", 2), ("s-2", 1), (None, 1)]


def test_sessions_of_a_visitor_join_the_customers(database: Database) -> None:
    add_customers(database, "anna")
    happened(
        database,
        event("anna", 0, session="s-1", home_view={}),
        event("anna", 10, home_view={}),
        event("anna", 300, home_view={}),
        event("", 5, visitor="v", session="s-1", home_view={}),
        event("", 35, visitor="v", home_view={}),
        event("", 36, visitor="v", session="s-2", home_view={}),
    )
    assert len(rows(database, "sessions")) == 6
    happened(database, event("anna", 40, visitor="v", session="s-2", home_view={}))
    found = [(row["external_id"], row["event_count"]) for row in rows(database, "sessions")]
    assert sorted(found, key=str) == [("s-1", 2), ("s-2", 2), (None, 1), (None, 2)]
    assert len(minutes_by_session(database)) == 4
