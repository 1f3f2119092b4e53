"""Requests of the customer service are checked field by field."""

from collections.abc import Callable

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.customer.v1 import customer_service_pb2 as pb
from quintet.type.v1 import customer_pb2 as types

from services.customer import convert
from shared.errors import InvalidArgument


def customer(**fields: object) -> types.Customer:
    return types.Customer(**{"customer_id": "anna", **fields})


def request(*customers: types.Customer) -> pb.UpsertCustomersRequest:
    return pb.UpsertCustomersRequest(customers=customers)


def test_what_is_empty_is_left_out() -> None:
    (given,) = convert.to_customers(request(customer()))
    assert (given.name, given.email, given.demographics, given.registered_at) == ("", "", {}, None)


def test_all_fields_are_taken_over() -> None:
    demographics = types.Demographics(age=0, age_group="baby", gender="x", region="North", attributes={"a": "b"})
    stamp = Timestamp(seconds=1_700_000_000)
    (given,) = convert.to_customers(
        request(customer(name="Anna", email="a@b.c", demographics=demographics, registration_time=stamp))
    )
    assert given.demographics == {
        "age": 0,
        "age_group": "baby",
        "gender": "x",
        "region": "North",
        "attributes": {"a": "b"},
    }
    assert given.registered_at is not None
    assert given.registered_at.timestamp() == 1_700_000_000


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("customers[0].customer_id", lambda: customer(customer_id="")),
        ("customers[0].customer_id", lambda: customer(customer_id="a\nb")),
        ("customers[0].name", lambda: customer(name="x" * 201)),
        ("customers[0].email", lambda: customer(email="x" * 321)),
        ("customers[0].email", lambda: customer(email="no address")),
        ("customers[0].registration_time", lambda: customer(registration_time=Timestamp(seconds=-1))),
        ("customers[0].demographics.age", lambda: customer(demographics=types.Demographics(age=-1))),
        ("customers[0].demographics.age", lambda: customer(demographics=types.Demographics(age=131))),
        ("customers[0].demographics.age_group", lambda: customer(demographics=types.Demographics(age_group="x" * 51))),
        ("customers[0].demographics.gender", lambda: customer(demographics=types.Demographics(gender="x" * 51))),
        ("customers[0].demographics.region", lambda: customer(demographics=types.Demographics(region="x" * 101))),
        (
            "customers[0].demographics.attributes",
            lambda: customer(demographics=types.Demographics(attributes={str(n): "x" for n in range(101)})),
        ),
        (
            "customers[0].demographics.attributes['a']",
            lambda: customer(demographics=types.Demographics(attributes={"a": "x" * 1001})),
        ),
    ],
)
def test_a_bad_field_is_named(field: str, bad: Callable[[], types.Customer]) -> None:
    with pytest.raises(InvalidArgument) as caught:
        convert.to_customers(request(bad()))
    assert caught.value.violations[0].field == field


def test_how_many_customers_a_request_may_have() -> None:
    for given in ([], [customer(customer_id=str(n)) for n in range(1_001)]):
        with pytest.raises(InvalidArgument, match="customers"):
            convert.to_customers(request(*given))


def test_a_customer_may_occur_once() -> None:
    with pytest.raises(InvalidArgument) as caught:
        convert.to_customers(request(customer(), customer()))
    assert caught.value.violations[0].field == "customers[1].customer_id"


@pytest.mark.parametrize(("given", "rate"), [(0.0, None), (0.05, 0.05), (0.5, 0.5)])
def test_the_false_alarm_rate_has_a_default(given: float, rate: float | None) -> None:
    assert convert.to_false_alarm_rate(pb.DetectBehaviorChangeRequest(false_alarm_rate=given)) == rate
