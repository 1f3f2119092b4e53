"""What the coordinator passes on undecoded has the same messages, field by field, on both sides."""

from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as public
from quintet.recommendation.v1 import recommendation_service_pb2 as inner

AGENT = inner.DESCRIPTOR.services_by_name["RecommendationService"]
DOOR = public.DESCRIPTOR.services_by_name["CoordinatorService"]
NAMES = {
    "GetRecommendations": "Recommend",
    "BatchGetRecommendations": "BatchRecommend",
    "ListModels": "ListModelVersions",
    "ActivateModel": "ActivateModelVersion",
}
"""RPCs that have another name at the agent."""
KEPT_BY_THE_AGENT = (
    "Placement",
    "Rule",
    "RankProducts",
    "Recommendations",
    "ListModels",
    "ActivateModel",
    "ModelQuality",
)
FORWARDED = [name for name in DOOR.methods_by_name if any(part in name for part in KEPT_BY_THE_AGENT)]


def shape(message: Any) -> dict[int, Any]:
    """Return what a message is on the wire: name, type and label of each field by its number."""
    return {
        field.number: (field.name, field.type, field.is_repeated, field.message_type and field.message_type.full_name)
        for field in message.fields
    }


@pytest.mark.parametrize("name", FORWARDED)
def test_the_messages_are_the_same(name: str) -> None:
    method, its = DOOR.methods_by_name[name], AGENT.methods_by_name[NAMES.get(name, name)]
    assert shape(method.input_type) == shape(its.input_type)
    assert shape(method.output_type) == shape(its.output_type)


def test_all_of_them_are_looked_at() -> None:
    assert len(FORWARDED) == 17
