"""Read files as batches of rows, one after the other, so that memory does not grow with the file."""

import csv
import io
import json
import zlib
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from cli.importing.batch import Fault, RowBatch, by_column
from cli.importing.coded_column import CodedColumn
from cli.importing.errors import ImportAborted
from shared.files import OpenFile, UnreadableFile, csv_header, open_file

BATCH_ROWS = 25_000
LONGEST_FIELD = 1024 * 1024
SHOWN_TEXT = 2_000
NOT_UTF8 = "is not UTF-8 text"


class Reader(Protocol):
    """A file as batches of rows."""

    def batches(self) -> Iterator[RowBatch]:
        """Yield all rows in order. Raises ImportAborted when the file cannot be read on."""
        ...

    def fraction(self) -> float:
        """Return how much of the file has been read, 0 to 1."""
        ...

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        ...


def open_reader(path: Path, batch_rows: int = BATCH_ROWS) -> Reader:
    """Open a file in any of the formats. Raises ImportAborted when it cannot be read."""
    try:
        file = open_file(path)
    except UnreadableFile as error:
        raise ImportAborted(str(error)) from error
    try:
        if file.format == "parquet":
            return ParquetReader(file, batch_rows)
        return CsvReader(file, batch_rows) if file.format == "csv" else JsonlReader(file, batch_rows)
    except ImportAborted:
        file.close()
        raise


class CsvReader:
    """Comma-separated values in UTF-8 with a header; semicolons, tabs and bars are recognised from the header."""

    def __init__(self, file: OpenFile, batch_rows: int = BATCH_ROWS) -> None:
        self._file = file
        self._batch_rows = batch_rows

    def batches(self) -> Iterator[RowBatch]:
        csv.field_size_limit(LONGEST_FIELD)
        # Bytes that are not UTF-8 become lone surrogates, so that only the rows they stand in are lost.
        text = io.TextIOWrapper(self._file.stream, "utf-8-sig", errors="surrogateescape", newline="")
        try:
            with _readable(self._file.path):
                lines = _Lines(text)
                header, delimiter = _header(self._file.path, lines)
                rows = _csv_rows(lines, delimiter)
                while some := list(islice(rows, self._batch_rows)):
                    yield _csv_batch(header, some)
        finally:
            if not self._file.stream.closed:
                text.detach()  # or the text would close the file when it is forgotten

    def fraction(self) -> float:
        return self._file.fraction()

    def close(self) -> None:
        self._file.close()


class JsonlReader:
    """One JSON object a line, in UTF-8. Numbers keep their decimals exactly."""

    def __init__(self, file: OpenFile, batch_rows: int = BATCH_ROWS) -> None:
        self._file = file
        self._batch_rows = batch_rows

    def batches(self) -> Iterator[RowBatch]:
        with _readable(self._file.path):
            lines = ((number, line) for number, line in enumerate(self._file.stream, start=1) if line.strip())
            while some := list(islice(lines, self._batch_rows)):
                yield _jsonl_batch(some)

    def fraction(self) -> float:
        return self._file.fraction()

    def close(self) -> None:
        self._file.close()


class ParquetReader:
    """A Parquet file. Rows are numbered from 1."""

    def __init__(self, file: OpenFile, batch_rows: int = BATCH_ROWS) -> None:
        self._file = file
        self._batch_rows = batch_rows
        self._done = 0
        with _readable(file.path):
            self._parquet = pq.ParquetFile(file.stream)
        self._rows = self._parquet.metadata.num_rows

    def batches(self) -> Iterator[RowBatch]:
        with _readable(self._file.path):
            # Threads would read ahead and hold whole row groups; reading is not what takes the time.
            for table in self._parquet.iter_batches(self._batch_rows, use_threads=False):
                start, self._done = self._done + 1, self._done + table.num_rows
                yield RowBatch(range(start, self._done + 1), _arrow_columns(table))

    def fraction(self) -> float:
        return self._done / self._rows if self._rows else 1.0

    def close(self) -> None:
        self._parquet.close(force=True)
        self._file.close()


class _readable:  # noqa: N801 - reads as a statement
    """Turn errors of reading `path` into ImportAborted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | EOFError | zlib.error | csv.Error | pa.ArrowException):
            raise ImportAborted(f"cannot read {self._path}: {error}") from error


class _Lines:
    """Lines of a text, and which of them the row being read took."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self.number = 0
        self.taken: list[str] = []

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = next(self._text)
        self.number += 1
        self.taken.append(line)
        return line

    def begin_row(self) -> int:
        """Forget what the row before took and return the number of the line the next row begins on."""
        self.taken.clear()
        return self.number + 1


def _header(path: Path, lines: _Lines) -> tuple[list[str], str]:
    """Return the column names and the delimiter, from the first line that is not blank."""
    try:
        return csv_header(path, next((line for line in lines if line.strip()), ""))
    except UnreadableFile as error:
        raise ImportAborted(str(error)) from error


def _csv_rows(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str] | Fault]]:
    """Yield each row with the line it begins on. A row that breaks the rules of quoting costs itself only."""
    rows = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        begins = lines.begin_row()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield begins, Fault(f"is not CSV: {error}", _printable("".join(lines.taken)))
        else:
            if row:
                yield begins, row


def _csv_batch(header: list[str], numbered: list[tuple[int, list[str] | Fault]]) -> RowBatch:
    width = len(header)
    faults: dict[int, Fault] = {}
    rows: list[list[str]] = []
    for index, (_, row) in enumerate(numbered):
        if isinstance(row, Fault) or len(row) != width:
            faults[index] = row if isinstance(row, Fault) else _wrong_width(row, width)
            row = [""] * width
        rows.append(row)
    columns = zip(header, zip(*rows, strict=True), strict=True)
    return RowBatch(
        [line for line, _ in numbered], {name: [value or None for value in values] for name, values in columns}, faults
    )


def _wrong_width(row: list[str], width: int) -> Fault:
    return Fault(f"has {len(row)} values, but the header has {width} columns", _printable(",".join(row)))


def _printable(text: str) -> str:
    """Return the start of a text, with a sign in place of bytes that are not UTF-8."""
    return text[:SHOWN_TEXT].rstrip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _jsonl_batch(lines: list[tuple[int, bytes]]) -> RowBatch:
    faults: dict[int, Fault] = {}
    rows: list[dict[str, Any]] = []
    for index, (_, line) in enumerate(lines):
        found = _parsed(line)
        if isinstance(found, Fault):
            faults[index] = found
            found = {}
        rows.append(found)
    return RowBatch([number for number, _ in lines], by_column(rows), faults)


def _parsed(line: bytes) -> dict[str, Any] | Fault:
    try:
        found = json.loads(line.decode("utf-8-sig"), parse_float=Decimal)
    except UnicodeDecodeError:
        return Fault(NOT_UTF8, line[:SHOWN_TEXT].decode("utf-8", "replace").strip())
    except (ValueError, RecursionError) as error:
        return Fault(f"is not JSON: {error}", line.decode().strip()[:SHOWN_TEXT])
    return found if isinstance(found, dict) else Fault("is not a JSON object", line.decode().strip()[:SHOWN_TEXT])


def _arrow_columns(table: pa.RecordBatch) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name, column in zip(table.schema.names, table.columns, strict=True):
        columns.update(_arrow_column(name, column))
    return columns


def _arrow_column(name: str, column: Any) -> dict[str, Any]:
    kind = column.type
    if pa.types.is_struct(kind) or pa.types.is_map(kind):
        return {f"{name}.{inner}": values for inner, values in by_column(_objects(column)).items()}
    if pa.types.is_timestamp(kind):
        # Nanoseconds have no Python counterpart and need none here.
        column = column.cast(pa.timestamp("us", tz=kind.tz), safe=False)
    return {name: _coded(column)}


def _coded(column: Any) -> Sequence[Any]:
    """Return the values of a column. Each distinct one is made once: that is what takes the time."""
    if pa.types.is_nested(column.type):
        return list(column.to_pylist())
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    distinct = [*encoded.dictionary.to_pylist(), None]
    codes = encoded.indices.cast(pa.int64()).fill_null(len(distinct) - 1).to_numpy()
    return CodedColumn(distinct, codes)


def _objects(column: Any) -> list[dict[str, Any]]:
    return [dict(value) if value is not None else {} for value in column.to_pylist()]
