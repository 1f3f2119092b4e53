"""Sessions have names, the platform's or ours, and either names the same session again."""

from quintet.type.v1.event_pb2 import Event, HomeView, ProductView

from services.coordinator.intake import submit_event
from services.coordinator.journal import Journal
from shared.db import customers, interactions, sessions
from shared.db.engine import Database
from tests.support.projecting import apply_all
from tests.support.shop import add_customers, add_products


def test_a_derived_session_that_a_client_sends_back_is_the_same_session(database: Database) -> None:
    add_customers(database, "ann")
    add_products(database, "tea")
    first = Event(event_id="1", customer_id="ann", product_view=ProductView(product_id="tea"))
    Journal(database).commit([submit_event(first)])
    apply_all(database)
    with database.read() as connection:
        name = sessions.latest_name(connection, "ann")
        key = customers.resolve_customers(connection, ["ann"])["ann"]
        assert interactions.find_session(connection, key, name) == sessions.derived_key(name)
    again = Event(event_id="2", customer_id="ann", session_id=name, product_view=ProductView(product_id="tea"))
    Journal(database).commit([submit_event(again)])
    apply_all(database)
    with database.read() as connection:
        assert sessions.latest_name(connection, "ann") == name
        assert interactions.find_session(connection, key, "unheard-of") is None


def test_the_latest_session_has_the_platforms_name_or_ours(database: Database) -> None:
    add_customers(database, "ann")
    with database.read() as connection:
        assert sessions.latest_name(connection, "ann") == ""
    events = [
        Event(event_id="1", customer_id="ann", session_id="theirs", home_view=HomeView()),
        Event(event_id="2", visitor_id="cookie", home_view=HomeView()),
    ]
    Journal(database).commit([submit_event(event) for event in events])
    apply_all(database)
    with database.read() as connection:
        assert sessions.latest_name(connection, "ann") == "theirs"
        assert sessions.latest_name(connection, "", "cookie").startswith(sessions.DERIVED)
