"""Everything an operator may ask of an import, checked, and carried out file by file."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from quintet.type.v1.money_pb2 import Money

from cli.importing.convert import Options
from cli.importing.entity_sinks import CustomerSink, Existing, ProductSink
from cli.importing.errors import ImportAborted
from cli.importing.event_sink import EventSink
from cli.importing.fingerprint import fingerprint
from cli.importing.garbage import rare_collections
from cli.importing.readers import BATCH_ROWS
from cli.importing.run import FileImport, Job, Show, Summary
from cli.importing.shift import newest_time, weeks_to_now
from cli.importing.sinks import Sink
from shared.column_mapping import ColumnMapping
from shared.columns import Kind
from shared.config import Settings
from shared.db import import_checkpoints
from shared.db.connect import job_limits
from shared.db.engine import Database
from shared.db.import_checkpoints import ImportCheckpoint
from shared.db.product_retirement import MAX_RETIRED_SHARE, CompleteList, retire
from shared.db.revision import require_workable
from shared.errors import InvalidArgument
from shared.event_types import parse_event_types
from shared.events.check import check_money


@dataclass(frozen=True)
class ImportRequest:
    """What to import and how; the fields are the options of `quintet import`.

    `batch_rows` is how many rows are read and written at once.
    """

    kind: Kind
    files: tuple[Path, ...]
    database_url: str
    mapping: tuple[str, ...] = ()
    currency: str = "USD"
    timezone: str = "UTC"
    event_types: tuple[str, ...] = ()
    guests: Literal["reject", "visitor"] = "reject"
    negative_quantity: Literal["reject", "refund"] = "reject"
    create_customers: bool = False
    existing: Existing = "update"
    reconcile: bool = False
    max_retired: float = MAX_RETIRED_SHARE
    rejects: Path | None = None
    shift_to_now: bool = False
    shift_weeks: int = 0
    strict: bool = False
    dry_run: bool = False
    restart: bool = False
    batch_rows: int = BATCH_ROWS


@dataclass(frozen=True)
class Imported:
    """What became of each file, and how many products were deleted because no row names them; None if not asked for."""

    files: list[Summary]
    retired: int | None = None


def import_files(request: ImportRequest, show: Show) -> Imported:
    """Import all files, one after the other, and return what became of each.

    Raises ImportAborted or QuintetError when it cannot go on; what was imported until then stays.
    """
    mapping = ColumnMapping(request.kind, request.mapping)
    options = _options(request)
    rejects = _rejects(request)
    database = Database(request.database_url, job_limits(Settings()))
    try:
        with rare_collections():
            return _import(request, mapping, options, rejects, database, show)
    finally:
        database.close()


def _import(
    request: ImportRequest,
    mapping: ColumnMapping,
    options: Options,
    rejects: list[Path],
    database: Database,
    show: Show,
) -> Imported:
    require_workable(database)
    sources = [fingerprint(path, _reading(request, mapping)) for path in _readable(request.files)]
    found = _checkpoints(database, sources, restart=request.restart or request.dry_run or request.reconcile)
    options = replace(options, shift_weeks=_shift_weeks(request, found, mapping, options.zone))
    sink, begun = _sink(request, database, options), datetime.now(UTC)
    summaries: list[Summary] = []
    for number, (path, source, checkpoint) in enumerate(zip(request.files, sources, found, strict=True)):
        job = Job(
            path=path,
            source=source,
            mapping=mapping,
            rejects=rejects[number],
            checkpoint=replace(checkpoint, shift_weeks=options.shift_weeks),
            strict=request.strict,
            dry_run=request.dry_run,
            required=_required(request, options),
            batch_rows=request.batch_rows,
        )
        summaries.append(FileImport(database, sink, job, _part(show, path, number, len(request.files))).run())
    if request.reconcile and isinstance(sink, ProductSink):
        return Imported(summaries, _reconciled(request, database, sink, summaries, begun))
    return Imported(summaries)


def _reconciled(
    request: ImportRequest, database: Database, sink: ProductSink, summaries: list[Summary], begun: datetime
) -> int:
    """Delete what no row names, and return how many. Raises ImportAborted where rows were rejected."""
    rejected = sum(each.rejected for each in summaries)
    if rejected:
        raise ImportAborted(f"--reconcile: {rejected:,} rows were rejected and may name products, so none is deleted")
    named = np.concatenate([np.empty(0, np.uint64), *sink.named])
    complete = CompleteList(named, begun, request.max_retired, request.dry_run)
    return retire(database, complete)


def _options(request: ImportRequest) -> Options:
    try:
        check_money(Money(currency_code=request.currency), "--currency")
    except InvalidArgument as error:
        raise ImportAborted(str(error)) from error
    if request.reconcile and request.kind != "products":
        raise ImportAborted("--reconcile is for products")
    if request.existing == "replace" and request.kind != "products":
        raise ImportAborted("--existing replace is for products")
    if not 0 <= request.max_retired <= 1:
        raise ImportAborted(f"--max-retired {request.max_retired:g}: must be from 0 to 1")
    if request.shift_to_now and request.shift_weeks:
        raise ImportAborted("give --shift-to-now or --shift-weeks, not both")
    return Options(
        currency=request.currency,
        zone=_zone(request.timezone),
        event_types=parse_event_types(request.event_types),
        guests=request.guests,
        negative_quantity=request.negative_quantity,
    )


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # works without a time zone database, too
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ImportAborted(f"--timezone {name}: there is no such time zone; write e.g. Europe/London") from error


def _rejects(request: ImportRequest) -> list[Path]:
    """Return the file of rejected rows of each file."""
    if request.rejects is None:
        return [path.with_name(f"{path.name}.rejects.jsonl") for path in request.files]
    if len(request.files) == 1 and not request.rejects.is_dir():
        return [request.rejects]
    if not request.rejects.is_dir():
        raise ImportAborted(f"--rejects {request.rejects}: must be a folder, for there are several files")
    return [request.rejects / f"{path.name}.rejects.jsonl" for path in request.files]


def _readable(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in paths:
        if not path.is_file():
            raise ImportAborted(f"cannot read {path}: there is no such file")
    return paths


def _reading(request: ImportRequest, mapping: ColumnMapping) -> dict[str, Any]:
    """Return all that decides what the rows of a file mean."""
    return {
        "kind": request.kind,
        "map": dict(mapping.signature()),
        "currency": request.currency,
        "timezone": request.timezone,
        "event_types": request.event_types,
        "guests": request.guests,
        "negative_quantity": request.negative_quantity,
        "shift": "now" if request.shift_to_now else request.shift_weeks,
    }


def _checkpoints(database: Database, sources: list[str], *, restart: bool) -> list[ImportCheckpoint]:
    """Return how far each file is; one that was finished, or never begun, is at its beginning."""
    with database.read() as connection:
        found = [import_checkpoints.find(connection, source) for source in sources]
    return [each if each and not each.finished and not restart else ImportCheckpoint() for each in found]


def _shift_weeks(
    request: ImportRequest, checkpoints: list[ImportCheckpoint], mapping: ColumnMapping, zone: tzinfo
) -> int:
    """Return the weeks to add to all times: for all files alike, and as before where an import continues."""
    if not request.shift_to_now:
        return request.shift_weeks
    begun = [checkpoint for checkpoint in checkpoints if checkpoint.rows_done]
    if begun:
        return begun[0].shift_weeks
    newest = newest_time(request.files, request.kind, mapping, zone)
    return 0 if newest is None else weeks_to_now(newest)


def _sink(request: ImportRequest, database: Database, options: Options) -> Sink[Any, Any]:
    if request.kind == "customers":
        return CustomerSink(options, request.existing)
    if request.kind == "products":
        return ProductSink(options, request.existing)
    return EventSink(database, options, create_customers=request.create_customers, dry_run=request.dry_run)


def _required(request: ImportRequest, options: Options) -> tuple[str, ...]:
    """Return the columns that the file must have because no option stands in for them."""
    return ("event_type",) if request.kind == "events" and "" not in options.event_types else ()


def _part(show: Show, path: Path, number: int, files: int) -> Show:
    """Return what shows the progress of one of several files."""
    return lambda stage, fraction: show(f"{path.name}: {stage}", (number + fraction) / files)
