"""What the contract says by `google.api.field_behavior` is what its comments say, and what the code refuses."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.api.field_behavior_pb2 import FieldBehavior, field_behavior
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from shared.errors import InvalidArgument
from tests.support.contract import comments
from tests.unit.shared.test_limits_in_comments import ELSEWHERE, PLACES, Place

REQUIRED, OPTIONAL, OUTPUT_ONLY, IMMUTABLE = (
    FieldBehavior.REQUIRED,
    FieldBehavior.OPTIONAL,
    FieldBehavior.OUTPUT_ONLY,
    FieldBehavior.IMMUTABLE,
)
NEEDED_TOGETHER = {
    "quintet.type.v1.Event.customer_id",
    "quintet.type.v1.PageView.product_id",
    "quintet.type.v1.PageView.category",
    "quintet.type.v1.Product.name",
    "quintet.type.v1.Rule.filter",
    "quintet.type.v1.RecommendationContext.product_id",
    "quintet.type.v1.InventoryUpdate.inventory_status",
    "quintet.type.v1.Consent.train",
    "quintet.coordinator.v1.SetWeightsRequest.weights",
    "quintet.coordinator.v1.RecommendationOptions.placement_id",
    "quintet.coordinator.v1.ListPlacementsRequest.page_token",
    "quintet.coordinator.v1.ListRulesRequest.page_token",
    "quintet.coordinator.v1.ListExperimentsRequest.page_token",
}
"""Optional fields that some messages need, as their comments say, or that the check of a sample is called for only."""

EVENT = {"quintet.coordinator.v1.RecordEventRequest.event", "quintet.coordinator.v1.ImportEventsRequest.event"}
"""What must be given of an event is one of its details."""


def behavior(field: Any) -> set[int]:
    return set(field.GetOptions().Extensions[field_behavior])


def sent(message: Any, seen: set[str]) -> Iterator[Any]:
    """Yield all fields that a request may have, entries of maps left out."""
    if message.full_name in seen or not message.full_name.startswith("quintet."):
        return
    seen.add(message.full_name)
    for field in message.fields:
        if not message.GetOptions().map_entry:
            yield field
        if field.message_type is not None:
            yield from sent(field.message_type, seen)


SEEN: set[str] = set()
FIELDS = [
    field
    for method in pb.DESCRIPTOR.services_by_name["CoordinatorService"].methods
    for field in sent(method.input_type, SEEN)
]


def test_every_field_of_a_request_says_what_its_comment_says() -> None:
    said = comments()
    wrong = {}
    for field in FIELDS:
        comment = said[field.full_name]
        first = comment.partition(".")[0]
        expected = {"Required": REQUIRED, "Output only": OUTPUT_ONLY}.get(first, OPTIONAL)
        if behavior(field) - {IMMUTABLE} != {expected}:
            wrong[field.full_name] = comment
    assert not wrong


def test_ids_of_resources_never_change() -> None:
    immutable = {field.full_name for field in FIELDS if IMMUTABLE in behavior(field)}
    kinds = ("Customer", "Product", "Placement", "Rule", "Experiment")
    assert immutable == {f"quintet.type.v1.{kind}.{kind.lower()}_id" for kind in kinds}


def test_every_required_field_is_tried() -> None:
    tried = {each.name for each in PLACES} | ELSEWHERE | EVENT
    required = [field for field in FIELDS if REQUIRED in behavior(field) and not _needs_more(field)]
    assert {field.full_name for field in required} - tried == set()


def _needs_more(field: Any) -> bool:
    """Whether a field is one message that has a required field: without the message that is missing as well."""
    return (
        not field.is_repeated
        and field.message_type is not None
        and any(REQUIRED in behavior(each) for each in field.message_type.fields)
    )


def cleared(place: Place) -> Any:
    """Return the request of a place without the field."""
    request = type(place.sample)()
    request.CopyFrom(place.sample)
    owner: Any = request
    for step in place.path:
        owner = owner[step] if isinstance(step, int) else getattr(owner, step)
    owner.ClearField(place.field.name)
    return request


NEEDED = [each for each in PLACES if REQUIRED in behavior(each.field)]


@pytest.mark.parametrize("place", NEEDED, ids=lambda each: each.name)
def test_a_request_without_a_required_field_is_refused(place: Place) -> None:
    with pytest.raises(InvalidArgument):
        place.check(cleared(place))


@pytest.mark.parametrize(
    "place",
    [
        each
        for each in PLACES
        if OPTIONAL in behavior(each.field) and each.name not in NEEDED_TOGETHER and each.field.containing_oneof is None
    ],
    ids=lambda each: each.name,
)
def test_a_request_without_an_optional_field_is_accepted(place: Place) -> None:
    place.check(cleared(place))
