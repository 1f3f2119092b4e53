"""`quintet metrics` asks for what it is told to, and prints values with their units and intervals."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.metric_pb2 import MetricDimension, MetricReport, MetricTable, MetricValue

from shared.db import metric_marks
from shared.db.engine import Database
from tests.support.events import add_customers
from tests.unit.cli.door import invoke, opened

HOME = MetricDimension(dimension="placement", value="home")
NONE = MetricDimension(dimension="placement")
VALUES = [
    MetricValue(metric="orders", dimensions=[HOME], unit="count", value=1200),
    MetricValue(metric="click_through_rate", dimensions=[HOME], unit="fraction", value=0.5, low=0.25, high=0.75, of=8),
    MetricValue(metric="revenue", dimensions=[NONE], unit="minor units", currency_code="JPY", value=1250),
    MetricValue(metric="average_order_value", dimensions=[NONE], unit="minor units", currency_code="EUR", value=1250),
    MetricValue(metric="diversity", dimensions=[NONE], unit="ratio"),
]


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator, and remembers what was asked for."""

    def __init__(self) -> None:
        self.asked = pb.GetMetricsRequest()
        self.exported = pb.ExportMetricsRequest()

    def GetMetrics(self, request: pb.GetMetricsRequest, context: Any) -> pb.GetMetricsResponse:
        self.asked = request
        return pb.GetMetricsResponse(report=MetricReport(values=VALUES, pending_events=3))

    def ExportMetrics(self, request: pb.ExportMetricsRequest, context: Any) -> Iterator[pb.ExportMetricsResponse]:
        self.exported = request
        yield pb.ExportMetricsResponse(chunk=b"PAR")
        yield pb.ExportMetricsResponse(chunk=b"1")


@pytest.fixture
def door() -> Iterator[tuple[Door, str]]:
    servicer = Door()
    with opened(servicer) as address:
        yield servicer, address


def test_values_are_printed_in_their_units(door: tuple[Door, str]) -> None:
    result, text = invoke("metrics", "--by", "placement", "--address", door[1])
    assert result.exit_code == 0, text
    for shown in ("1,200", "50.00 %", "25.00 % to 75.00 %", "1,250 JPY", "12.50 EUR", "not in it yet: 3 events"):
        assert shown in text


def test_what_is_asked_for_is_passed_on(door: tuple[Door, str]) -> None:
    options = ("--from", "2026-01-01", "--to", "2026-01-31", "--placement", "home", "--only", "algorithm=ease")
    result, text = invoke("metrics", "orders", "--by", "day", *options, "--json", "--address", door[1])
    assert result.exit_code == 0, text
    assert len(json.loads(text)["values"]) == len(VALUES)
    query = door[0].asked.query
    assert (list(query.metrics), list(query.dimensions)) == (["orders"], ["day"])
    filters = [(each.dimension, list(each.values)) for each in query.filters]
    assert filters == [("algorithm", ["ease"]), ("placement", ["home"])]
    assert query.start_time.ToJsonString() == "2026-01-01T00:00:00Z"
    assert query.end_time.ToJsonString() == "2026-01-31T23:59:59Z"


def test_a_table_is_written_to_a_file(door: tuple[Door, str], tmp_path: Path) -> None:
    file = tmp_path / "day.parquet"
    result, text = invoke("metrics", "--export", str(file), "--table", "sessions", "--address", door[1])
    assert result.exit_code == 0, text
    assert file.read_bytes() == b"PAR1"
    assert door[0].exported.table == MetricTable.METRIC_TABLE_SESSIONS
    result, text = invoke("metrics", "--export", str(file), "--json", "--address", door[1])
    assert json.loads(text) == {"file": str(file), "table": "cells", "bytes": 4}


def test_all_metrics_are_noted_to_be_made_anew(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUINTET_DATABASE_URL", sqlite_database.url)
    add_customers(sqlite_database, "ann", "bob")
    result, text = invoke("rebuild", "metrics")
    assert result.exit_code == 0, text
    assert "metrics of 2 customers and lists will be made anew" in text
    result, text = invoke("rebuild", "metrics", "--json")
    assert json.loads(text) == {"agent": "metrics", "marked": 2}
    with sqlite_database.read() as connection:
        assert metric_marks.take(connection).keys[metric_marks.CUSTOMERS] == {1, 2}


@pytest.mark.parametrize(
    ("arguments", "problem"), [(("--from", "yesterday"), "is no day"), (("--only", "ease"), "is not DIMENSION=VALUE")]
)
def test_what_is_no_day_or_filter_is_said(arguments: tuple[str, ...], problem: str) -> None:
    result, text = invoke("metrics", *arguments, "--address", "127.0.0.1:1")
    assert result.exit_code == 2
    assert problem in text
