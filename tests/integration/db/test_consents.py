"""Consent of customers and visitors: the later word counts, a merge keeps it, what is denied is not learned from."""

from datetime import timedelta

import pytest

from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from shared.consent import Consent, Permissions
from shared.db import consents, customers, interactions, relations, visitors
from shared.db.engine import Database
from shared.db.product_performance import best_sellers
from shared.db.training_data import read_training_data
from tests.support.events import NOON, add_customers, add_products, happened, purchase, rows, view
from tests.support.tokens import KEYS

LATER = NOON + timedelta(hours=1)


def said(database: Database, key: int) -> Consent:
    with database.read() as connection:
        return consents.consents_of(connection, [key])[key]


def say(database: Database, key: int, consent: Consent, at: object = NOON) -> None:
    with database.write() as connection:
        consents.store(connection, key, consent, at)  # type: ignore[arg-type]


def test_the_later_word_counts(database: Database) -> None:
    key = add_customers(database, "anna")["anna"]
    say(database, key, Consent(personalise=True, train=False), LATER)
    say(database, key, Consent(train=True, measure=False), NOON)
    assert said(database, key) == Consent(personalise=True, train=False)
    say(database, key, Consent(measure=False), LATER)
    assert said(database, key) == Consent(personalise=True, measure=False, train=False)


def test_a_word_of_a_visitor_counts_where_the_customer_said_nothing(database: Database) -> None:
    key = add_customers(database, "anna")["anna"]
    with database.write() as connection:
        visitor = customers.resolve_visitors(connection, ["v-1"])["v-1"]
    say(database, visitor, Consent(measure=False, train=False))
    say(database, key, Consent(measure=True))
    with database.write() as connection:
        visitors.merge(connection, visitor, key)
    assert said(database, key) == Consent(measure=True, train=False)
    forgotten = [row["customer_key"] for row in rows(database, "forgotten_histories")]
    assert forgotten == [visitor, key]


def test_an_event_carries_consent_of_the_customer_or_visitor(database: Database) -> None:
    add_customers(database, "anna")
    add_products(database, {"p1": (100, "USD")})
    writer = EventWriter(database, KEYS)
    for event in (view("anna", "p1"), view("", "p1", 1)):
        event.consent.measure = 2
        event.visitor_id = "" if event.customer_id else "v-1"
        assert writer.commit([submit_event(event)])[0].error is None
    with database.read() as connection:
        keys = customers.resolve_customers(connection, ["anna"]) | customers.known_visitors(connection, ["v-1"])
    assert {said(database, key) for key in keys.values()} == {Consent(measure=False)}


@pytest.fixture
def shop(database: Database) -> dict[str, int]:
    """Anna, ben and cleo each bought the same two products together; who permits `train` differs."""
    keys = add_customers(database, "anna", "ben", "cleo")
    add_products(database, {"p1": (100, "USD"), "p2": (100, "USD")})
    for number, who in enumerate(keys):
        happened(database, purchase(who, f"o-{who}", [("p1", 1, 100), ("p2", 1, 100)], number), view(who, "p1", 9))
    say(database, keys["ben"], Consent(train=False))
    say(database, keys["cleo"], Consent(train=True))
    return keys


@pytest.mark.parametrize(("default", "learned"), [("train", ("anna", "cleo")), ("none", ("cleo",))])
def test_nothing_is_learned_from_who_does_not_permit_it(
    database: Database, shop: dict[str, int], default: str, learned: tuple[str, ...]
) -> None:
    permissions = Permissions.parse(default)
    expected = {shop[who] for who in learned}
    assert set(read_training_data(database, permissions).interactions.customers.tolist()) == expected
    with database.read() as connection:
        lines = relations.basket_lines(connection, default=permissions)
        sold = best_sellers(connection, LATER, 2, default=permissions)
        everything = interactions.all_interactions(connection)
    assert len(set(lines.purchases.tolist())) == len(expected)
    assert {each.purchases for each in sold} == {len(expected)}
    assert max(each.views for each in sold) == len(expected)
    assert len(set(everything.customers.tolist())) == 3
