"""Import one file: read, convert, write, and remember how far it is, batch by batch."""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cli.importing.ahead import ahead
from cli.importing.conversion import ConvertedBatch, FileToConvert, convert, converted_batches
from cli.importing.errors import ImportAborted
from cli.importing.readers import BATCH_ROWS
from cli.importing.rejects import RejectsFile
from cli.importing.sinks import Prepared, Sink, Written
from shared.column_mapping import ColumnMapping
from shared.db import import_checkpoints
from shared.db.engine import Database, StaleReference
from shared.db.import_checkpoints import ImportCheckpoint

TRIES = 3
AHEAD_FROM_BYTES = 2 * 1024 * 1024
"""Size of files whose rows are converted in a process of their own; its start, half a second, must be worth it."""

Show = Callable[[str, float], None]


@dataclass
class Summary:
    """What became of a file, counted in rows. With a resumed import, all counts are from the file's beginning.

    `rows_per_second` is of this run alone.
    """

    file: str
    read: int = 0
    imported: int = 0
    duplicates: int = 0
    rejected: int = 0
    seconds: float = 0.0
    rows_per_second: float = 0.0
    resumed_at: int = 0
    shift_weeks: int = 0
    rejects_file: str = ""
    ignored_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """A file to import: where it is, what it is known as, and how to go about it."""

    path: Path
    source: str
    mapping: ColumnMapping
    rejects: Path
    checkpoint: ImportCheckpoint
    strict: bool = False
    dry_run: bool = False
    required: tuple[str, ...] = ()
    batch_rows: int = BATCH_ROWS


class _RolledBack(Exception):
    """Ends a transaction whose effects are not wanted."""


class FileImport:
    """The import of one file. Each batch, its checkpoint and its rejected rows become durable together."""

    def __init__(self, database: Database, sink: Sink[Any, Any], job: Job, show: Show) -> None:
        self._database = database
        self._sink = sink
        self._job = job
        self._show = show
        self._checkpoint = job.checkpoint
        self._ignored: dict[str, None] = {}

    def run(self) -> Summary:
        """Import and return what became of the rows. Raises ImportAborted or QuintetError when it cannot go on."""
        started = time.monotonic()
        job = self._job
        if not job.dry_run:
            self._sink.settle()
        with (
            closing(self._converted()) as batches,
            closing(RejectsFile(job.rejects, job.mapping, self._checkpoint.rows_rejected)) as rejects,
        ):
            for each in batches:
                self._ignored.update(dict.fromkeys(each.ignored))
                self._import(each, rejects)
                self._show(self._stage(started), each.fraction)
        self._finish()
        return self._summary(time.monotonic() - started)

    def _converted(self) -> Generator[ConvertedBatch[Any], None, None]:
        job, make = self._job, self._sink.make_converter
        file = FileToConvert(job.path, job.mapping, job.required, self._checkpoint.rows_done, job.batch_rows)
        if job.path.stat().st_size < AHEAD_FROM_BYTES:
            return converted_batches(file, make)
        return ahead(converted_batches, file, make)

    def _import(self, given: ConvertedBatch[Any], rejects: RejectsFile) -> None:
        batch, converted = given.batch, given.result
        for attempt in range(TRIES):
            try:
                self._write(self._sink.prepare(batch, converted), rejects)
                break
            except StaleReference:
                if attempt == TRIES - 1:
                    raise
                self._sink.forget()
                # Anew, for preparing takes out of it what is refused.
                converted = convert(self._sink.make_converter(), batch, self._job.mapping)
        if not self._job.dry_run:
            self._sink.settle()

    def _write(self, prepared: Prepared[Any], rejects: RejectsFile) -> None:
        self._stop_if_strict(prepared)
        try:
            with self._database.write() as connection:
                written = self._sink.write(connection, prepared)
                prepared.rejects.extend(written.rejects)
                self._stop_if_strict(prepared)
                checkpoint = self._after(prepared, written)
                if self._job.dry_run:
                    raise _RolledBack
                rejects.add(prepared.rejects)
                import_checkpoints.save(connection, self._job.source, checkpoint)
        except _RolledBack:
            rejects.add(prepared.rejects)
        self._checkpoint = checkpoint

    def _after(self, prepared: Prepared[Any], written: Written) -> ImportCheckpoint:
        before = self._checkpoint
        return replace(
            before,
            rows_done=before.rows_done + len(prepared.batch),
            rows_imported=before.rows_imported + written.imported,
            rows_duplicate=before.rows_duplicate + written.duplicates,
            rows_rejected=before.rows_rejected + len(prepared.rejects),
        )

    def _stop_if_strict(self, prepared: Prepared[Any]) -> None:
        if self._job.strict and prepared.rejects:
            first = min(prepared.rejects, key=lambda reject: reject.line)
            raise ImportAborted(
                f"{self._job.path}, line {first.line}: {first.reason} "
                f"(--strict: stopped; the {self._checkpoint.rows_done:,} rows up to the last checkpoint are imported)"
            )

    def _finish(self) -> None:
        if not self._job.dry_run:
            with self._database.write() as connection:
                import_checkpoints.save(connection, self._job.source, replace(self._checkpoint, finished=True))
            self._sink.settle()

    def _stage(self, started: float) -> str:
        done = self._checkpoint.rows_done - self._job.checkpoint.rows_done
        rate = done / max(time.monotonic() - started, 1e-9)
        rejected = f", {self._checkpoint.rows_rejected:,} rejected" if self._checkpoint.rows_rejected else ""
        return f"{self._checkpoint.rows_done:,} rows, {rate:,.0f} rows/s{rejected}"

    def _summary(self, seconds: float) -> Summary:
        done = self._checkpoint
        return Summary(
            file=str(self._job.path),
            read=done.rows_done,
            imported=done.rows_imported,
            duplicates=done.rows_duplicate,
            rejected=done.rows_rejected,
            seconds=round(seconds, 3),
            rows_per_second=round((done.rows_done - self._job.checkpoint.rows_done) / max(seconds, 1e-3), 1),
            resumed_at=self._job.checkpoint.rows_done,
            shift_weeks=done.shift_weeks,
            rejects_file=str(self._job.rejects) if done.rows_rejected else "",
            ignored_columns=tuple(self._ignored),
        )
