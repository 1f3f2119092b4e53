"""The part of an import that needs no database: read a file, cut it into batches, convert their rows."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from cli.importing.batch import RowBatch
from cli.importing.garbage import rare_collections
from cli.importing.orders import renamed
from cli.importing.readers import BATCH_ROWS, open_reader
from shared.column_mapping import ColumnMapping

C_co = TypeVar("C_co", covariant=True)
C = TypeVar("C")


class Converter(Protocol[C_co]):
    """Turns the rows of one kind of file into what is to be written. Knows no database."""

    def batches(self, batches: Iterable[RowBatch], mapping: ColumnMapping) -> Iterator[RowBatch]:
        """Cut the rows into what is written at once."""
        ...

    def convert(self, batch: RowBatch, columns: Mapping[str, Sequence[Any]]) -> C_co:
        """Convert rows, given also as values by our column names, and check them."""
        ...


@dataclass(frozen=True)
class ConvertedBatch(Generic[C]):
    """A batch of rows and what they were converted into.

    `fraction` is how much of the file has been read, 0 to 1, and `ignored` its columns that are used for nothing.
    """

    batch: RowBatch
    result: C
    fraction: float
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class FileToConvert:
    """A file, how to read it, and how many of its first rows are imported already."""

    path: Path
    mapping: ColumnMapping
    required: tuple[str, ...] = ()
    rows_done: int = 0
    batch_rows: int = BATCH_ROWS


def converted_batches(
    file: FileToConvert, make: Callable[[], Converter[C]]
) -> Generator[ConvertedBatch[C], None, None]:
    """Yield the rows of a file in batches, converted by the converter that `make` returns.

    Raises
    ------
    ImportAborted
        If the file cannot be read.
    InvalidArgument
        If a column that is mapped or required is not there.
    """
    converter = make()
    with rare_collections(), closing(open_reader(file.path, file.batch_rows)) as reader:
        rows = _without_first(_checked(reader.batches(), file), file.rows_done)
        for batch in converter.batches(rows, file.mapping):
            result = convert(converter, batch, file.mapping)
            ignored = tuple(file.mapping.ignored(batch.columns))
            yield ConvertedBatch(batch, result, reader.fraction(), ignored)


def convert(converter: Converter[C], batch: RowBatch, mapping: ColumnMapping) -> C:
    """Return what the rows of a batch are converted into."""
    return converter.convert(batch, renamed(batch, mapping.resolve(batch.columns)))


def _checked(batches: Iterable[RowBatch], file: FileToConvert) -> Iterator[RowBatch]:
    """Yield the batches; the columns of the first must be those the kind needs."""
    for number, batch in enumerate(batches):
        if number == 0:
            file.mapping.require(batch.columns, file.required)
        yield batch


def _without_first(batches: Iterator[RowBatch], rows: int) -> Iterator[RowBatch]:
    """Yield batches without the first `rows` rows, which are imported already."""
    for batch in batches:
        if rows >= len(batch):
            rows -= len(batch)
            continue
        yield batch.part(rows, len(batch)) if rows else batch
        rows = 0
