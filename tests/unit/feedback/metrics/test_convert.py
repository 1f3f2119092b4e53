"""A question for metrics has as many names and values as its comments say."""

import re
from typing import Any

import pytest
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.metric_pb2 import MetricFilter, MetricQuery

from services.feedback.metrics.convert import to_question
from shared.errors import InvalidArgument
from tests.support.contract import comments


def most(name: str) -> int:
    found = re.search(r"(?:at most|1 to) (\d+)", comments()[f"quintet.type.v1.{name}"])
    assert found, name
    return int(found.group(1))


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("MetricQuery.metrics", lambda count: {"metrics": ["sessions"] * count}),
        ("MetricQuery.dimensions", lambda count: {"dimensions": ["day"] * count}),
        ("MetricQuery.filters", lambda count: {"filters": [MetricFilter(dimension="arm", values=["a"])] * count}),
        ("MetricFilter.values", lambda count: {"filters": [MetricFilter(dimension="arm", values=["a"] * count)]}),
    ],
)
def test_too_many_are_refused(name: str, fields: Any) -> None:
    to_question(MetricQuery(**fields(most(name))))
    with pytest.raises(InvalidArgument) as caught:
        to_question(MetricQuery(**fields(most(name) + 1)))
    assert caught.value.reason == ErrorReason.TOO_MANY_ELEMENTS


def test_a_filter_names_a_value() -> None:
    with pytest.raises(InvalidArgument) as caught:
        to_question(MetricQuery(filters=[MetricFilter(dimension="arm")]))
    assert caught.value.metadata["field"] == "query.filters[0].values"
