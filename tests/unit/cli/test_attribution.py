"""`quintet attribution` asks for one subject and shows what came of it, rule by rule."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmPerformance,
    AttributionRule,
    Credit,
    CreditKind,
    LoggedList,
    RecommendationOutcome,
    RuleRevenue,
)

from tests.unit.cli.door import invoke, opened

EUR_3 = Money(currency_code="EUR", amount_minor=300)
HALF = Credit(purchase_id="o-1", rule=AttributionRule.ATTRIBUTION_RULE_LINEAR, share=0.5, amount=EUR_3)
GONE = Credit(
    purchase_id="o-2",
    kind=CreditKind.CREDIT_KIND_REFUNDED,
    rule=AttributionRule.ATTRIBUTION_RULE_LAST_TOUCH,
    share=1,
    margin=EUR_3,
)
TEA = RecommendationOutcome(
    product_id="tea",
    algorithm="ease",
    position=1,
    click_time=Timestamp(seconds=1),
    click_grade=0.25,
    dwell_seconds=7,
    credits=[GONE],
    alternative_credits=[HALF],
    refunded=True,
)
CUP = RecommendationOutcome(product_id="cup", algorithm="content", position=2)
MADE = LoggedList(placement_id="home-top", strategy="hybrid", model_version="v1", arm="b", generate_time=Timestamp())


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator that knows one list."""

    def __init__(self) -> None:
        self.asked = pb.GetAttributionRequest()

    def GetAttribution(self, request: pb.GetAttributionRequest, context: Any) -> pb.GetAttributionResponse:
        self.asked = request
        made = MADE if request.attribution_token else None
        return pb.GetAttributionResponse(outcomes=[TEA, CUP], list=made)

    def GetAlgorithmPerformance(self, request: Any, context: Any) -> coordinator_pb.GetAlgorithmPerformanceResponse:
        self.since = request.start_time.ToDatetime(UTC)
        linear = RuleRevenue(rule=AttributionRule.ATTRIBUTION_RULE_LINEAR, revenue=[EUR_3])
        first = RuleRevenue(rule=AttributionRule.ATTRIBUTION_RULE_FIRST_TOUCH, revenue=[EUR_3, EUR_3])
        ease = AlgorithmPerformance(algorithm="ease", shown=1_000, clicked=7, revenue_by_rule=[linear])
        content = AlgorithmPerformance(algorithm="content", revenue_by_rule=[first])
        return coordinator_pb.GetAlgorithmPerformanceResponse(algorithms=[ease, content])


@pytest.fixture
def door() -> Iterator[tuple[Door, str]]:
    servicer = Door()
    with opened(servicer) as address:
        yield servicer, address


def test_algorithms_are_shown_with_a_column_for_each_rule(door: tuple[Door, str]) -> None:
    servicer, address = door
    result, text = invoke("attribution", "--algorithms", "--days", "7", "--address", address)
    assert result.exit_code == 0
    head, ease, content = (line.split("│" if "│" in line else "┃")[1:-1] for line in table_lines(text))
    assert [cell.strip() for cell in head] == ["algorithm", "shown", "clicked", "first_touch", "linear"]
    assert [cell.strip() for cell in ease] == ["ease", "1,000", "7", "", "3.00 EUR"]
    assert [cell.strip() for cell in content] == ["content", "0", "0", "3.00 EUR, 3.00 EUR", ""]
    assert timedelta(days=6.9) < datetime.now(UTC) - servicer.since < timedelta(days=7.1)
    told = json.loads(invoke("attribution", "--algorithms", "--json", "--address", address)[1])
    assert [each["algorithm"] for each in told["algorithms"]] == ["ease", "content"]


def table_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if "│" in line or line.startswith("┃")]


def test_a_list_is_shown_with_its_responses_and_credits(door: tuple[Door, str]) -> None:
    servicer, address = door
    result, text = invoke("attribution", "--list", "list-1", "--address", address)
    assert result.exit_code == 0, text
    assert str(servicer.asked) == 'attribution_token: "list-1"\n'
    assert "placement home-top, hybrid, model v1, arm b, made 1970-01-01 00:00 UTC" in text
    lines = [[word.strip() for word in line.split("│")[1:-1]] for line in text.splitlines() if "│" in line]
    assert lines == [
        ["1", "tea", "ease", "clicked, refunded", "0.25", "7 s"],
        ["2", "cup", "content", "none", "", ""],
        ["last_touch (refunded)", "tea", "o-2", "100%", "–", "3.00 EUR"],
        ["linear", "tea", "o-1", "50%", "3.00 EUR", "–"],
    ]


@pytest.mark.parametrize(
    ("option", "field"), [("--purchase", "purchase_id"), ("--recommendation", "recommendation_id")]
)
def test_the_other_subjects_can_be_asked_for(door: tuple[Door, str], option: str, field: str) -> None:
    servicer, address = door
    result, text = invoke("attribution", option, "x", "--address", address, "--json")
    assert result.exit_code == 0, text
    assert servicer.asked.WhichOneof("subject") == field
    assert [each["product_id"] for each in json.loads(text)["outcomes"]] == ["tea", "cup"]


@pytest.mark.parametrize("options", [(), ("--list", "t", "--purchase", "o")])
def test_exactly_one_subject_is_named(options: tuple[str, ...]) -> None:
    result, text = invoke("attribution", *options)
    assert result.exit_code == 2
    assert "one of" in text
