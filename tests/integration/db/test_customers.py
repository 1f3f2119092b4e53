"""Customers are added and changed all or none, and found by the platform's ids."""

from datetime import timedelta

import pytest

from shared.consent import Consent
from shared.db import customer_updates, customers, schema, segments
from shared.db.customer_updates import NewCustomer, age_group
from shared.db.customers import Filters
from shared.db.engine import Database
from shared.db.segments import Segment
from shared.errors import AlreadyExists, NotFound
from tests.support.events import NOON, add_customers, rows


def upsert(database: Database, *given: NewCustomer, create_only: bool = False) -> tuple[int, int]:
    with database.write() as connection:
        return customer_updates.upsert(connection, given, create_only=create_only)


def test_new_customers_are_added_and_known_ones_changed(database: Database) -> None:
    assert upsert(database, NewCustomer("anna", "Anna", "a@x.org", {"age": 30}, NOON)) == (1, 0)
    assert upsert(database, NewCustomer("anna", name="Anne"), NewCustomer("ben")) == (1, 1)
    with database.read() as connection:
        anna, ben = (customers.read(connection, name) for name in ("anna", "ben"))
    assert (anna.name, anna.email, anna.registered_at) == ("Anne", "a@x.org", NOON)
    assert anna.demographics == {"age": 30, "age_group": "25-34"}
    assert (ben.name, ben.email, ben.demographics, ben.last_active) == ("", "", {}, None)


def test_demographics_are_merged_one_by_one(database: Database) -> None:
    upsert(database, NewCustomer("anna", demographics={"age_group": "45-54", "attributes": {"a": "1", "b": "2"}}))
    upsert(database, NewCustomer("anna", demographics={"region": "North", "attributes": {"b": "3"}}))
    with database.read() as connection:
        assert customers.read(connection, "anna").demographics == {
            "age_group": "45-54",
            "region": "North",
            "attributes": {"a": "1", "b": "3"},
        }


def emails(database: Database) -> dict[str, str]:
    """Return the e-mail of each customer as it is read."""
    with database.read() as connection:
        names = [row["external_id"] for row in rows(database, "customers")]
        return {name: each.email for name, each in customers.read_many(connection, names).items()}


@pytest.mark.parametrize("other", ["a@x.org", "A@x.org", "a@X.ORG"])
def test_an_email_of_another_customer_is_taken_and_not_revealed(database: Database, other: str) -> None:
    upsert(database, NewCustomer("anna", email="a@x.org"))
    assert upsert(database, NewCustomer("ben"), NewCustomer("cleo", email=other)) == (2, 0)
    assert upsert(database, NewCustomer("dora", email=other), create_only=True) == (1, 0)
    assert emails(database) == {"anna": "a@x.org", "ben": "", "cleo": "a@x.org", "dora": "a@x.org"}
    unique = [row["email"] for row in rows(database, "customers") if row["email"]]
    assert unique == ["a@x.org"]


def test_one_email_twice_in_a_request_is_taken(database: Database) -> None:
    assert upsert(database, NewCustomer("cleo", email="c@x.org"), NewCustomer("dora", email="C@x.org")) == (2, 0)
    assert emails(database) == {"cleo": "c@x.org", "dora": "c@x.org"}


def test_an_email_that_became_free_goes_to_who_says_it_next(database: Database) -> None:
    upsert(database, NewCustomer("anna", email="a@x.org"), NewCustomer("ben", email="a@x.org"))
    upsert(database, NewCustomer("anna", cleared=frozenset({("email",)})))
    assert upsert(database, NewCustomer("ben", email="a@x.org")) == (0, 1)
    assert [(row["email"], row["duplicate_email"]) for row in rows(database, "customers")] == [
        (None, None),
        ("a@x.org", None),
    ]


def test_an_email_does_not_become_longer_in_lower_case() -> None:
    assert len(NewCustomer("anna", email="\u0130@X.org").email) == len("i@x.org")


def test_emails_can_be_exchanged_and_passed_on(database: Database) -> None:
    upsert(database, NewCustomer("anna", email="a@x.org"), NewCustomer("ben", email="b@x.org"))
    assert upsert(database, NewCustomer("anna", email="b@x.org"), NewCustomer("ben", email="a@x.org")) == (0, 2)
    assert upsert(database, NewCustomer("cleo", email="a@x.org"), NewCustomer("ben", email="c@x.org")) == (1, 1)
    assert emails(database) == {"anna": "b@x.org", "ben": "c@x.org", "cleo": "a@x.org"}


def test_create_only_refuses_a_known_customer(database: Database) -> None:
    add_customers(database, "anna")
    with pytest.raises(AlreadyExists) as caught:
        upsert(database, NewCustomer("ben"), NewCustomer("anna"), create_only=True)
    assert caught.value.violations[0].field == "customers[1].customer_id"


def test_unknown_customers_are_missing_or_not_found(database: Database) -> None:
    keys = add_customers(database, "anna")
    with database.read() as connection:
        assert customers.resolve_customers(connection, ["anna", "nobody"]) == keys
        assert customers.resolve_customers(connection, []) == {}
        assert customers.read_by_key(connection, keys["anna"] + 1) is None
        with pytest.raises(NotFound) as caught:
            customers.read(connection, "nobody", "event.customer_id")
    assert caught.value.violations[0].field == "event.customer_id"


def test_thousands_are_resolved_at_once(database: Database) -> None:
    names = [f"c-{number}" for number in range(1_203)]
    assert len(add_customers(database, *names)) == len(names)


def test_a_visitor_gets_a_row_once(database: Database) -> None:
    with database.write() as connection:
        first = customers.resolve_visitors(connection, ["v-1", "v-2"])
    with database.write() as connection:
        again = customers.resolve_visitors(connection, ["v-2", "v-3"])
        assert customers.known_visitors(connection, ["v-3", "v-4"]) == {"v-3": again["v-3"]}
    assert again["v-2"] == first["v-2"]
    assert len({first["v-1"], first["v-2"], again["v-3"]}) == 3
    with database.read() as connection:
        visitor = customers.read_by_key(connection, first["v-1"])
    assert visitor is not None
    assert visitor.external_id == ""


def test_groups_are_those_of_everybody_by_key(database: Database) -> None:
    upsert(
        database,
        NewCustomer("anna", demographics={"age": 70, "region": "North", "gender": "f"}),
        NewCustomer("ben"),
    )
    with database.read() as connection:
        found = [(each.age_group, each.gender, each.region) for each in customers.groups(connection)]
    assert found == [("65+", "f", "North"), ("", "", "")]


def test_keys_that_exist_are_kept(database: Database) -> None:
    keys = add_customers(database, "anna", "ben")
    with database.write() as connection:
        assert customers.keep(connection, [*keys.values(), 9_999]) == set(keys.values())


@pytest.mark.parametrize(
    ("age", "group"),
    [(0, "under 19"), (18, "under 19"), (19, "19-24"), (24, "19-24"), (25, "25-34"), (64, "55-64"), (65, "65+")],
)
def test_ages_fall_into_bands(age: int, group: str) -> None:
    assert age_group(age) == group


def test_what_is_cleared_goes_and_what_is_given_stays(database: Database) -> None:
    upsert(database, NewCustomer("anna", "Anna", "a@x.org", {"age": 30, "region": "North", "attributes": {"a": "1"}}))
    cleared = frozenset(
        {("email",), ("demographics", "age"), ("demographics", "region"), ("demographics", "attributes")}
    )
    upsert(database, NewCustomer("anna", demographics={"attributes": {"b": "2"}}, cleared=cleared))
    with database.read() as connection:
        anna = customers.read(connection, "anna")
    assert (anna.name, anna.email, anna.demographics) == ("Anna", "", {"attributes": {"b": "2"}})


def test_an_age_group_that_was_said_outlasts_the_age(database: Database) -> None:
    upsert(database, NewCustomer("anna", demographics={"age": 30, "age_group": "thirties"}))
    upsert(database, NewCustomer("anna", cleared=frozenset({("demographics", "age")})))
    with database.read() as connection:
        assert customers.read(connection, "anna").demographics == {"age_group": "thirties"}


def test_consent_is_set_cleared_and_dated(database: Database) -> None:
    upsert(database, NewCustomer("anna", consent=Consent(train=False, measure=True)))
    upsert(database, NewCustomer("anna", consent=Consent(measure=False), cleared=frozenset({("consent", "train")})))
    with database.read() as connection:
        anna = customers.read(connection, "anna")
    assert anna.consent == Consent(measure=False)
    assert anna.consent_time is not None


def test_who_no_longer_agrees_to_train_is_forgotten_once(database: Database) -> None:
    keys = add_customers(database, "anna")
    for said in (True, False, False):
        upsert(database, NewCustomer("anna", consent=Consent(train=said)))
    assert [row["customer_key"] for row in rows(database, "forgotten_histories")] == [keys["anna"]]


def test_customers_are_listed_in_the_order_of_their_keys_by_filters(database: Database) -> None:
    day = timedelta(days=1)
    upsert(database, *(NewCustomer(f"c-{n}", registered_at=NOON + n * day) for n in range(5)))
    with database.write() as connection:
        customers.resolve_visitors(connection, ["v-1"])
        connection.execute(
            schema.customers.update().where(schema.customers.c.external_id == "c-3").values(last_active=NOON + 9 * day)
        )

    def listed(wanted: Filters, after: str = "", limit: int = 9) -> list[str]:
        with database.read() as connection:
            key = customers.resolve_customers(connection, [after]).get(after, 0)
            return [each.external_id for each in customers.list_customers(connection, wanted, key, limit)]

    assert listed(Filters()) == ["c-0", "c-1", "c-2", "c-3", "c-4"]
    assert listed(Filters(), after="c-1", limit=2) == ["c-2", "c-3"]
    assert listed(Filters(registered_since=NOON + 3 * day)) == ["c-3", "c-4"]
    assert listed(Filters(active_since=NOON + 9 * day)) == ["c-3"]
    assert listed(Filters(segment="loyal")) == []
    with database.write() as connection:
        numbers = segments.replace_segments(connection, [Segment("loyal", segments.RFM, {})])
        keys = customers.resolve_customers(connection, ["c-1", "c-4"])
        segments.replace_memberships(connection, {key: [(numbers["loyal"], 0.5)] for key in keys.values()})
    assert listed(Filters(segment="loyal", registered_since=NOON + 2 * day)) == ["c-4"]
