"""`quintet metrics`: how the shop, its recommendations and the system did."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.metric_pb2 import MetricFilter, MetricQuery, MetricReport, MetricTable, MetricValue
from rich.table import Table

from cli.client import coordinator
from cli.output import EXIT_USAGE, fail, out, print_json, reported
from shared.atomic_file import written_beside
from shared.config import Settings
from shared.money import decimals
from shared.timestamps import to_timestamp

PATIENCE_SECONDS = 60.0
MONEY, FRACTION = "minor units", "fraction"
Names = Annotated[list[str] | None, typer.Argument(help="Metrics, such as click_through_rate; default all.")]
Tables = Literal["cells", "cell_amounts", "sessions", "session_amounts"]


def metrics(
    names: Names = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="day, placement, page_type, algorithm, segment, arm or model_version; may be given again."),
    ] = None,
    since: Annotated[str, typer.Option("--from", help="First day, such as 2026-01-01; default 30 days ago.")] = "",
    until: Annotated[str, typer.Option("--to", help="Last day, inclusive; default today.")] = "",
    placement: Annotated[str, typer.Option(help="Only lists of this placement.")] = "",
    segment: Annotated[str, typer.Option(help="Only customers of this segment.")] = "",
    only: Annotated[
        list[str] | None, typer.Option(help="DIMENSION=VALUE, what counts; may be given again.", metavar="FILTER")
    ] = None,
    export: Annotated[Path | None, typer.Option(help="Write a table of the period to this Parquet file.")] = None,
    table: Annotated[Tables, typer.Option(help="With --export: which table.")] = "cells",
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print metrics of a period with their 95 % intervals, or export what they are made of.

    Each is explained in docs/business-metrics.md. Days are those of UTC and count whole.

    Example: `quintet metrics click_through_rate --by algorithm --from 2026-01-01 --to 2026-01-31`
    """
    start, end = _moment(since, "--from"), _moment(until, "--to", whole=True)
    where = address or Settings().coordinator_address
    if export is not None:
        size = _export(where, export, table, start, end)
        _say({"file": str(export), "table": table, "bytes": size}, as_json)
        return
    filters = [*_filters(only or []), *_named(placement=placement, segment=segment)]
    query = MetricQuery(metrics=names or [], dimensions=by or [], filters=filters, start_time=start, end_time=end)
    with reported(), coordinator(where) as stub:
        report = stub.GetMetrics(pb.GetMetricsRequest(query=query), timeout=PATIENCE_SECONDS).report
    if as_json:
        print_json(report)
    else:
        _print(report, by or [])


def _moment(text: str, option: str, *, whole: bool = False) -> Timestamp | None:
    """Return when a day begins or, as a `whole`, its last microsecond; None for no day."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is no day such as 2026-01-31", EXIT_USAGE)
    begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return to_timestamp(min(begins.replace(hour=23, minute=59, second=59), datetime.now(UTC)) if whole else begins)


def _filters(only: list[str]) -> Iterator[MetricFilter]:
    for each in only:
        dimension, found, value = each.partition("=")
        if not found:
            fail(f"--only: {each!r} is not DIMENSION=VALUE, such as algorithm=ease", EXIT_USAGE)
        yield MetricFilter(dimension=dimension, values=[value])


def _named(**values: str) -> list[MetricFilter]:
    return [MetricFilter(dimension=name, values=[value]) for name, value in values.items() if value]


def _export(address: str, file: Path, table: str, start: Timestamp | None, end: Timestamp | None) -> int:
    kind = MetricTable.Value(f"METRIC_TABLE_{table.upper()}")
    request = pb.ExportMetricsRequest(table=kind, start_time=start, end_time=end)
    size = 0
    with reported(), coordinator(address) as stub, written_beside(file) as beside, beside.open("wb") as written:
        for piece in stub.ExportMetrics(request):
            size += written.write(piece.chunk)
    return size


def _say(done: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(done)
    else:
        out.print(f"{done['bytes']:,} bytes of {done['table']} in {done['file']}", highlight=False)


def _print(report: MetricReport, by: list[str]) -> None:
    table = Table("metric", *by, "value", "95 % interval", "of")
    for each in report.values:
        dimensions = [found.value or "–" for found in each.dimensions]
        interval = f"{_text(each, each.low)} to {_text(each, each.high)}" if each.HasField("low") else "–"
        value = _text(each, each.value) if each.HasField("value") else "–"
        table.add_row(each.metric, *dimensions, value, interval, f"{each.of:,.0f}" if each.HasField("of") else "–")
    out.print(table)
    start, end = (moment.ToDatetime(tzinfo=UTC) for moment in (report.start_time, report.end_time))
    out.print(f"from {start:%Y-%m-%d} to before {end:%Y-%m-%d}, UTC", highlight=False)
    if report.pending_events or report.pending_changes:
        out.print(f"not in it yet: {report.pending_events:,} events, {report.pending_changes:,} changes")


def _text(of: MetricValue, value: float) -> str:
    if of.unit == MONEY:
        places = decimals(of.currency_code)
        return f"{value / 10**places:,.{places}f} {of.currency_code}"
    if of.unit == FRACTION:
        return f"{100 * value:.2f} %"
    return f"{value:,.0f}" if of.unit == "count" else f"{value:,.3f}"
