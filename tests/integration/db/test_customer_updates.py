"""Any order of updates with masks leaves what a plain model of set, clear and leave has; on both databases."""

from copy import deepcopy
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quintet.customer.v1 import customer_service_pb2 as pb
from quintet.type.v1.consent_pb2 import Consent
from quintet.type.v1.customer_pb2 import Customer, Demographics

from services.customer import convert
from shared.db import customer_updates, customers
from shared.db.engine import Database
from shared.db.schema import customers as table

IDS, EMAILS, KEYS = ("anna", "ben", "cleo"), ("", "a@x.org", "b@x.org"), ("size", "shoe", "two words")
PATHS = (
    "name",
    "email",
    "demographics",
    "demographics.age",
    "demographics.region",
    "demographics.attributes",
    "demographics.attributes.size",
    "demographics.attributes.`two words`",
    "consent",
    "consent.train",
    "*",
)
WORDS = st.sampled_from(("", "x", "y"))
STATES = st.sampled_from((0, 1, 2))
CUSTOMERS = st.builds(
    Customer,
    customer_id=st.sampled_from(IDS),
    name=WORDS,
    email=st.sampled_from(EMAILS),
    demographics=st.builds(
        Demographics,
        age=st.none() | st.sampled_from((0, 30)),
        gender=WORDS,
        region=WORDS,
        attributes=st.dictionaries(st.sampled_from(KEYS), st.sampled_from(("1", "2")), max_size=2),
    ),
    consent=st.builds(Consent, personalise=STATES, measure=STATES, train=STATES),
)
UPDATES = st.lists(st.tuples(CUSTOMERS, st.lists(st.sampled_from(PATHS), max_size=3)), max_size=6)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(updates=UPDATES)
def test_updates_leave_what_the_model_says(database: Database, updates: list[tuple[Customer, list[str]]]) -> None:
    with database.write() as connection:
        connection.execute(table.delete())
    expected: dict[str, Any] = {}
    for customer, paths in updates:
        mask = FieldMask(paths=paths)
        request = pb.UpsertCustomersRequest(customers=[customer], update_masks=[mask] if paths else [])
        with database.write() as connection:
            customer_updates.upsert(connection, convert.to_customers(request))
        expected[customer.customer_id] = updated(expected.get(customer.customer_id, {}), flat(customer), paths)
    with database.read() as connection:
        stored = customers.read_many(connection, IDS)
    assert {name: flat(without_derived(convert.from_customer(each))) for name, each in stored.items()} == expected


def updated(before: dict[str, str], given: dict[str, str], paths: list[str]) -> dict[str, str]:
    """Return the values by path after an update: the model."""
    if not paths:
        return before | given
    prefixes = [path.replace("`", "") for path in paths]
    named = [key for key in {**before, **given} if any(covers(prefix, key) for prefix in prefixes)]
    kept = {key: value for key, value in deepcopy(before).items() if key not in named}
    return kept | {key: given[key] for key in named if key in given}


def covers(prefix: str, key: str) -> bool:
    return prefix == "*" or key == prefix or key.startswith(prefix + ".")


def flat(customer: Customer) -> dict[str, str]:
    """Return what is populated, by path."""
    about, consent = customer.demographics, customer.consent
    values: dict[str, Any] = {"name": customer.name, "email": customer.email}
    values |= {f"demographics.{name}": getattr(about, name) for name in ("gender", "region")}
    values |= {f"demographics.attributes.{key}": value for key, value in about.attributes.items()}
    values |= {f"consent.{name}": getattr(consent, name) for name in ("personalise", "measure", "train")}
    if about.HasField("age"):
        values["demographics.age"] = f"{about.age} years"
    return {path: value for path, value in values.items() if value}


def without_derived(customer: Customer) -> Customer:
    customer.demographics.ClearField("age_group")
    return customer
