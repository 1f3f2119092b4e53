"""Parameters of a query as fields: masks by the contract's names, and what is no parameter."""

from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, field_mask_pb2, message_factory
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from services.coordinator.http.problem import Problem
from services.coordinator.http.query import add_query


def masked() -> Any:
    """Return a message with a field mask, as requests for partial updates have."""
    file = descriptor_pb2.FileDescriptorProto(
        name="masked.proto", package="test", syntax="proto3", dependency=["google/protobuf/field_mask.proto"]
    )
    field = file.message_type.add(name="Masked").field.add(name="update_mask", number=1)
    field.type, field.label = field.TYPE_MESSAGE, field.LABEL_OPTIONAL
    field.type_name = ".google.protobuf.FieldMask"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(field_mask_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("test.Masked"))()


@pytest.mark.parametrize("text", ["name,image_urls,price.amount_minor", "name,imageUrls,price.amountMinor"])
def test_a_mask_names_fields_as_the_contract_or_as_json_does(text: str) -> None:
    message = masked()
    add_query([("update_mask", text)], message)
    assert list(message.update_mask.paths) == ["name", "image_urls", "price.amount_minor"]


def test_times_are_iso_texts() -> None:
    request = pb.GetAlgorithmPerformanceRequest()
    add_query([("start_time", "2026-01-02T03:04:05Z"), ("endTime", "2026-02-02T00:00:00+01:00")], request)
    assert request.start_time.ToJsonString() == "2026-01-02T03:04:05Z"
    assert request.end_time.ToJsonString() == "2026-02-01T23:00:00Z"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("context.page_type", "PAGE_TYPE_MOON"),
        ("limit", "1.5"),
        ("limit", "99999999999"),
        ("context.nothing", "1"),
        ("", "1"),
    ],
)
def test_what_is_no_value_of_a_field_is_refused(name: str, text: str) -> None:
    with pytest.raises(Problem) as caught:
        add_query([(name, text)], pb.GetRecommendationsRequest())
    assert caught.value.status == 400
