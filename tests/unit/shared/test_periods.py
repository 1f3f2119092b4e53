from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.feedback.v1.feedback_service_pb2 import GetAlgorithmPerformanceRequest
from quintet.product.v1.product_service_pb2 import GetProductPerformanceRequest

from shared import periods
from shared.errors import InvalidArgument
from shared.timestamps import to_timestamp

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("kind", [GetAlgorithmPerformanceRequest, GetProductPerformanceRequest])
def test_what_is_asked_may_be_open(kind: type[Message]) -> None:
    assert periods.asked(kind()) == (None, None)
    assert periods.asked(kind(end_time=to_timestamp(NOON))) == (None, NOON)
    assert periods.asked(kind(start_time=to_timestamp(NOON - DAY), end_time=to_timestamp(NOON))) == (NOON - DAY, NOON)


@pytest.mark.parametrize("kind", [GetAlgorithmPerformanceRequest, GetProductPerformanceRequest])
@pytest.mark.parametrize("name", ["start_time", "end_time"])
@pytest.mark.parametrize("seconds", [-1, 2**60, 4_000_000_000], ids=["before 1970", "no time", "far ahead"])
def test_a_time_that_cannot_be_is_named(kind: type[Message], name: str, seconds: int) -> None:
    with pytest.raises(InvalidArgument) as caught:
        periods.asked(kind(**{name: Timestamp(seconds=seconds)}))
    assert caught.value.violations[0].field == name


def test_what_is_open_is_the_last_thirty_days() -> None:
    assert periods.settled(None, None, NOON) == (NOON - 30 * DAY, NOON)
    assert periods.settled(None, NOON - DAY, NOON) == (NOON - 31 * DAY, NOON - DAY)
    assert periods.settled(NOON - DAY, None, NOON) == (NOON - DAY, NOON)


@pytest.mark.parametrize("start", [NOON, NOON + DAY])
def test_a_period_ends_after_its_start(start: datetime) -> None:
    with pytest.raises(InvalidArgument) as caught:
        periods.settled(start, NOON, NOON)
    assert caught.value.violations[0].field == "end_time"
