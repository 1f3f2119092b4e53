"""Converts messages about metrics to plain values and back."""

from collections.abc import Sequence
from typing import Any

from quintet.type.v1.metric_pb2 import MetricDimension, MetricQuery, MetricReport, MetricTable
from quintet.type.v1.metric_pb2 import MetricValue as ValueMessage

from services.feedback.metrics.definitions import DAY, DIMENSIONS
from services.feedback.metrics.projection import Behind
from services.feedback.metrics.question import MetricQuestion
from services.feedback.metrics.report import MetricValue
from shared import periods
from shared.db.metric_cells import start_of
from shared.db.metric_sums import Selection
from shared.db.metric_tables import CELL_AMOUNTS, CELLS, SESSION_AMOUNTS, SESSIONS
from shared.events.check import check_choice, check_count
from shared.timestamps import to_timestamp

MOST_METRICS, MOST_DIMENSIONS, MOST_VALUES = 50, len(DIMENSIONS), 100
_TABLES = {
    MetricTable.METRIC_TABLE_UNSPECIFIED: CELLS,
    MetricTable.METRIC_TABLE_CELLS: CELLS,
    MetricTable.METRIC_TABLE_CELL_AMOUNTS: CELL_AMOUNTS,
    MetricTable.METRIC_TABLE_SESSIONS: SESSIONS,
    MetricTable.METRIC_TABLE_SESSION_AMOUNTS: SESSION_AMOUNTS,
}


def to_question(query: MetricQuery) -> MetricQuestion:
    """Return what a query asks for. Raises InvalidArgument for too many names or values, or a time that is none."""
    check_count(query.metrics, "query.metrics", MOST_METRICS)
    check_count(query.dimensions, "query.dimensions", MOST_DIMENSIONS)
    check_count(query.filters, "query.filters", MOST_DIMENSIONS)
    for place, each in enumerate(query.filters):
        check_count(each.values, f"query.filters[{place}].values", MOST_VALUES, least=1)
    only = [(each.dimension, list(each.values)) for each in query.filters]
    return MetricQuestion(list(query.metrics), list(query.dimensions), only, *periods.asked(query))


def to_table(table: Any) -> str:
    """Return the table that is meant. Raises InvalidArgument for an unknown one."""
    check_choice(table, "table", _TABLES, "one of the tables")
    return _TABLES[table]


def from_report(values: Sequence[MetricValue], selection: Selection, behind: Behind) -> MetricReport:
    """Return metrics as a message; `behind` is what is not in them yet."""
    return MetricReport(
        values=[_value(each, selection) for each in values],
        start_time=to_timestamp(start_of(selection.start)),
        end_time=to_timestamp(start_of(selection.end)),
        pending_events=behind.events,
        pending_changes=behind.marks,
    )


def _value(each: MetricValue, selection: Selection) -> ValueMessage:
    low, high = each.figure.interval or (None, None)
    return ValueMessage(
        metric=each.definition.name,
        dimensions=[
            MetricDimension(dimension=name, value=_text(name, value))
            for name, value in zip(selection.by, each.group, strict=True)
        ],
        currency_code=each.currency,
        unit=each.definition.unit,
        value=each.figure.value,
        low=low,
        high=high,
        of=each.figure.of,
        interval=each.definition.interval,
    )


def _text(dimension: str, value: Any) -> str:
    return start_of(value).date().isoformat() if dimension == DAY else str(value)
