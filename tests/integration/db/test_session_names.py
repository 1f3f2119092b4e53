"""Sessions have names, the platform's or ours, and either names the same session again."""

from datetime import UTC, datetime, timedelta

from quintet.type.v1.event_pb2 import Event, HomeView, ProductView

from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from shared.db import customers, sessions
from shared.db.engine import Database
from shared.db.request_reads import find_session
from tests.support.events import NOON, event, happened, rows, view
from tests.support.projecting import apply_all
from tests.support.shop import add_customers, add_products
from tests.support.tokens import KEYS

DAY = 24 * 60


def test_a_derived_session_that_a_client_sends_back_is_the_same_session(database: Database) -> None:
    add_customers(database, "ann")
    add_products(database, "tea")
    first = Event(event_id="1", customer_id="ann", product_view=ProductView(product_id="tea"))
    EventWriter(database, KEYS).commit([submit_event(first)])
    apply_all(database)
    with database.read() as connection:
        key = customers.resolve_customers(connection, ["ann"])["ann"]
        name = sessions.name_at(connection, key, datetime.now(UTC))
    with database.cursor() as cursor:
        assert find_session(cursor, key, name) == sessions.derived_key(name)
    again = Event(event_id="2", customer_id="ann", session_id=name, product_view=ProductView(product_id="tea"))
    EventWriter(database, KEYS).commit([submit_event(again)])
    apply_all(database)
    with database.read() as connection:
        assert sessions.name_at(connection, key, datetime.now(UTC)) == name
    with database.cursor() as cursor:
        assert find_session(cursor, key, "unheard-of") == 0


def test_an_event_has_the_session_of_its_time(database: Database) -> None:
    add_customers(database, "ann", "ben")
    happened(
        database,
        view("ann", "tea", 0),
        view("ann", "tea", 20),
        view("ann", "tea", 80),
        view("ann", "tea", 3 * DAY),
        view("ann", "tea", 2 * DAY, session="theirs"),
        event("", 1, visitor="cookie", home_view={}),
        view("ben", "tea", 5),
    )
    first, visit, _, second, theirs, last = _keys_by_start(database)

    def at(minutes: float, who: str = "ann", visitor: str = "") -> str:
        with database.read() as connection:
            keys = customers.resolve_customers(connection, [who]) | customers.known_visitors(connection, [visitor])
            return sessions.name_at(connection, keys[who or visitor], NOON + timedelta(minutes=minutes))

    assert at(0) == at(20) == at(-30) == first
    assert at(48) == first, "28 minutes after the first session, 32 before the second"
    assert at(51) == second, "31 minutes after the first session, 29 before the second"
    assert at(3 * DAY) == last
    assert at(2 * DAY) == at(DAY) == at(-30.1) == "", theirs
    assert at(0, "", "cookie") == visit


def test_the_closer_of_two_sessions_is_the_one(database: Database) -> None:
    add_customers(database, "ann")
    happened(database, view("ann", "tea", 0), view("ann", "tea", 40))
    one, other = _keys_by_start(database)
    with database.read() as connection:
        ann = customers.resolve_customers(connection, ["ann"])["ann"]
        assert sessions.name_at(connection, ann, NOON + timedelta(minutes=15)) == one
        assert sessions.name_at(connection, ann, NOON + timedelta(minutes=25)) == other


def test_an_event_is_answered_with_the_session_it_is_near_before_it_is_applied(database: Database) -> None:
    add_customers(database, "ann")
    writer = EventWriter(database, KEYS)

    def sessions_of(*events: Event) -> list[str]:
        return [each.session for each in writer.commit([submit_event(each, wants_session=True) for each in events])]

    old, new = event("ann", home_view={}), Event(customer_id="ann", home_view=HomeView())
    assert sessions_of(old, new) == ["", ""], "a visit has no name before its first event is applied"
    apply_all(database)
    first, second = _keys_by_start(database)
    later = event("ann", 10, home_view={})
    ahead = Event(customer_id="ann", home_view=HomeView())
    ahead.event_time.FromDatetime(datetime.now(UTC) + timedelta(hours=20))
    named = Event(customer_id="ann", session_id="theirs", home_view=HomeView())
    assert sessions_of(old, new, later, ahead, named) == [first, second, first, second, ""]
    apply_all(database)
    assert _keys_by_start(database)[:2] == [first, second], "and they are in these sessions once they are applied"


def test_a_visitor_is_answered_with_their_session(database: Database) -> None:
    writer = EventWriter(database, KEYS)

    def session_of_a_view() -> str:
        seen = Event(visitor_id="cookie", home_view=HomeView())
        return writer.commit([submit_event(seen, wants_session=True)])[0].session

    assert session_of_a_view() == ""
    apply_all(database)
    assert session_of_a_view() == _keys_by_start(database)[0]


def _keys_by_start(database: Database) -> list[str]:
    found = sorted(rows(database, "sessions"), key=lambda row: (row["started_at"], row["session_id"]))
    return [f"{sessions.DERIVED}{row['session_id']}" for row in found]
