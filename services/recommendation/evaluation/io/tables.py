"""The columns of a file of events, as Arrow arrays: CSV, JSON lines or Parquet, millions of rows in seconds."""

import csv
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq

from shared.errors import InvalidArgument
from shared.files import OpenFile, UnreadableFile, csv_header, open_file
from shared.values import text

Column: TypeAlias = Any
"""A pyarrow ChunkedArray."""

ROWS_AT_ONCE = 100_000
BYTES_AT_ONCE = 2**20
TIMES = {"timestamp"}
"""Columns that hold moments."""


class UnreadableRow(InvalidArgument):
    """A row of a file that breaks the rules of its format."""


def read_columns(path: Path, names: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, Column], int]:
    """Return the columns of a file that are wanted, and its number of rows.

    Parameters
    ----------
    path : Path
        CSV with a header (comma, semicolon, tab or bar), JSON lines or Parquet; each also packed with gzip.
    names : mapping of str to tuple of str
        Our name of each column, and the names it may have in the file, the preferred one first.

    Returns
    -------
    dict of str to ChunkedArray
        By our name, those that the file has. Texts in CSV and JSON lines, what they are in Parquet; null where empty.
    int
        Number of rows.

    Raises
    ------
    UnreadableFile
        If the file cannot be read, is of no known format or has a column twice.
    UnreadableRow
        If a row breaks the rules of the format.
    """
    file = open_file(path)
    try:
        with _readable(path):
            return _READERS[file.format](file, names)
    finally:
        file.close()


def _csv(file: OpenFile, names: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, Column], int]:
    header, delimiter, skipped = _head(file)
    _require_closed_quotes(file, delimiter)
    found = _found(header, names)
    taken = list(dict.fromkeys(found.values())) or header[:1]
    table = pacsv.read_csv(
        file.stream,
        # One thread: only then do errors name the row.
        pacsv.ReadOptions(column_names=header, skip_rows=skipped, use_threads=False),
        pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        pacsv.ConvertOptions(
            include_columns=taken,
            column_types=dict.fromkeys(taken, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )
    return {ours: table[theirs] for ours, theirs in found.items()}, table.num_rows


def _head(file: OpenFile) -> tuple[list[str], str, int]:
    """Return the column names, the delimiter, and the number of lines up to the first row; then start anew."""
    lines = io.TextIOWrapper(file.stream, "utf-8-sig", errors="replace", newline="")
    skipped, line = next(((n, each) for n, each in enumerate(lines, start=1) if each.strip()), (0, ""))
    lines.detach()
    file.stream.seek(0)
    header, delimiter = csv_header(file.path, line)
    return header, delimiter, skipped


def _require_closed_quotes(file: OpenFile, delimiter: str) -> None:
    """Raise UnreadableFile if a quote is opened and never closed: all rows behind it would be one value. Start anew."""
    odd = sum(part.count(b'"') for part in iter(lambda: file.stream.read(BYTES_AT_ONCE), b"")) % 2
    file.stream.seek(0)
    if not odd:
        return
    lines = io.TextIOWrapper(file.stream, "utf-8-sig", errors="replace", newline="")
    rows, good = csv.reader(lines, delimiter=delimiter, strict=True), 0
    try:
        for _ in rows:
            good = rows.line_num
    except csv.Error as error:
        raise UnreadableFile(
            f"cannot read {file.path}: the row from line {good + 1} has a quote that is never closed ({error})"
        ) from error
    lines.detach()
    file.stream.seek(0)


def _jsonl(file: OpenFile, names: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, Column], int]:
    try:
        table = pajson.read_json(file.stream, pajson.ReadOptions(use_threads=False))
    except pa.ArrowException:  # mixed types, or a bad row: slower, but it is found
        return _jsonl_by_line(file, names)
    found = _found(table.column_names, names)
    columns = {ours: table[theirs] for ours, theirs in found.items()}
    if any(_is_odd(ours, column.type) for ours, column in columns.items()):
        return _jsonl_by_line(file, names)
    return columns, table.num_rows


def _is_odd(name: str, kind: Any) -> bool:
    """Tell whether a column is no text or number, such as an id that looks like a date."""
    return bool(
        pa.types.is_nested(kind) or pa.types.is_boolean(kind) or (pa.types.is_temporal(kind) and name not in TIMES)
    )


def _jsonl_by_line(file: OpenFile, names: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, Column], int]:
    file.stream.seek(0)
    chunks: dict[str, list[Any]] = {name: [] for names_of in names.values() for name in names_of}
    rows = _objects(file.path, file.stream, list(chunks))
    count = 0
    while some := list(islice(rows, ROWS_AT_ONCE)):
        count += len(some)
        for name, parts in chunks.items():
            parts.append(pa.array([_plain(row.get(name)) for row in some], pa.string()))
    full = {name: pa.chunked_array(parts, pa.string()) for name, parts in chunks.items()}
    found = _found([name for name, column in full.items() if column.null_count < count], names)
    return {ours: full[theirs] for ours, theirs in found.items()}, count


def _objects(path: Path, lines: Iterable[bytes], wanted: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError) as error:
            raise UnreadableRow(f"{path}, line {number}: is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise UnreadableRow.of(f"{path}, line {number}", row, "is not a JSON object")
        nested = next((name for name in wanted if isinstance(row.get(name), list | dict)), None)
        if nested is not None:
            raise UnreadableRow.of(f"{path}, line {number}, column {nested}", row[nested], "must be a single value")
        yield row


def _plain(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else text(value)


def _parquet(file: OpenFile, names: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, Column], int]:
    parquet = pq.ParquetFile(file.stream)
    found = _found(parquet.schema_arrow.names, names)
    table = parquet.read(list(dict.fromkeys(found.values())))
    return {ours: table[theirs] for ours, theirs in found.items()}, parquet.metadata.num_rows


def _found(there: Iterable[str], names: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Return our names with the file's for the columns that are there."""
    present = set(there)
    return {
        ours: next(each for each in theirs if each in present) for ours, theirs in names.items() if present & {*theirs}
    }


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, zlib.error, csv.Error, pa.ArrowException) as error:
        raise UnreadableFile(f"cannot read {path}: {error}") from error


_READERS = {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}
