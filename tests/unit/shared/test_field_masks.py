"""Field masks: set, clear, leave; refused paths."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1.customer_pb2 import Customer, Demographics

from shared.errors import InvalidArgument
from shared.field_masks import Change, change_of, changed
from shared.limits import MAX_MASK_PATH, MAX_MASK_PATHS

FIXED = ("customer_id", "last_active_time")
ADA = Customer(
    customer_id="c-1",
    name="Ada",
    demographics=Demographics(age=36, region="north", attributes={"size": "M", "two words": "x"}),
)


def masked(*paths: str, message: Customer = ADA) -> Change[Customer]:
    return change_of(message, FieldMask(paths=paths), FIXED)


def test_without_a_mask_what_is_populated_is_set_and_nothing_is_cleared() -> None:
    assert change_of(ADA, FieldMask()) == Change(ADA)


def test_only_what_the_mask_names_is_set() -> None:
    assert masked("name") == Change(Customer(name="Ada"), frozenset({("name",)}))


def test_a_named_field_without_a_value_is_cleared() -> None:
    assert masked("email") == Change(Customer(), frozenset({("email",)}))


def test_a_nested_field_is_set_alone() -> None:
    change = masked("demographics.region")
    assert change.given == Customer(demographics=Demographics(region="north"))
    assert change.cleared == {("demographics", "region")}


def test_a_value_of_zero_with_presence_is_set() -> None:
    change = masked("demographics.age", message=Customer(demographics=Demographics(age=0)))
    assert change.given.demographics.HasField("age")


def test_a_whole_message_is_replaced_field_by_field() -> None:
    change = masked("demographics")
    assert change.given == Customer(demographics=ADA.demographics)
    names = {field.name for field in Demographics.DESCRIPTOR.fields}
    assert change.cleared == {("demographics", name) for name in names}


def test_a_map_is_replaced_as_a_whole_or_by_keys() -> None:
    assert masked("demographics.attributes").given.demographics.attributes == ADA.demographics.attributes
    change = masked("demographics.attributes.size", "demographics.attributes.gone")
    assert change.given.demographics.attributes == {"size": "M"}
    assert change.cleared == {("demographics", "attributes", "size"), ("demographics", "attributes", "gone")}


def test_keys_with_other_characters_are_quoted() -> None:
    assert masked("demographics.attributes.`two words`").given.demographics.attributes == {"two words": "x"}
    assert masked("demographics.attributes.`a``b.c`").cleared == {("demographics", "attributes", "a`b.c")}


def test_a_star_is_everything_but_what_is_fixed() -> None:
    change = masked("*")
    assert ("name",) in change.cleared
    assert ("demographics", "attributes") in change.cleared
    assert not {("customer_id",), ("last_active_time",)} & change.cleared
    assert change.given.name == "Ada"
    assert not change.given.customer_id


def test_a_moment_is_one_value() -> None:
    change = masked("registration_time", message=Customer(registration_time=Timestamp(seconds=5)))
    assert change == Change(Customer(registration_time=Timestamp(seconds=5)), frozenset({("registration_time",)}))


@pytest.mark.parametrize(
    "path",
    [
        "",
        ".",
        "nmae",
        "name.first",
        "name.",
        "demographics..age",
        "demographics.height",
        "demographics.attributes.a.b",
        "registration_time.seconds",
        "customer_id",
        "last_active_time",
        "`name",
        "name email",
        "x" * (MAX_MASK_PATH + 1),
    ],
)
def test_a_path_that_names_nothing_or_a_fixed_field_is_refused(path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        masked("name", path)
    assert caught.value.violations[0].field == "update_mask.paths[1]"


def test_an_update_is_applied_to_a_message() -> None:
    now = Customer(customer_id="c-1", email="a@b", demographics=Demographics(gender="f", attributes={"size": "S"}))
    given = Customer(customer_id="c-2", demographics=Demographics(region="north"))
    paths = ("email", "demographics.region", "demographics.attributes.size")
    after = changed(now, masked(*paths, message=given))
    assert after == Customer(customer_id="c-1", demographics=Demographics(gender="f", region="north"))
    assert now.email == "a@b", "what was before is not touched"


def test_a_message_is_gone_with_its_last_field() -> None:
    now = Customer(demographics=Demographics(attributes={"size": "S"}))
    assert not changed(now, masked("demographics.attributes.size", message=Customer())).HasField("demographics")


def test_too_many_paths_are_refused() -> None:
    with pytest.raises(InvalidArgument, match="250 entries"):
        masked(*["name"] * (MAX_MASK_PATHS + 1))
