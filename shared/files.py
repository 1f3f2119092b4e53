"""Open a file whatever its format: CSV, JSON lines or Parquet, plain or gzip, told by content first, then by name."""

import csv
import gzip
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from shared.errors import InvalidArgument

Format = Literal["csv", "jsonl", "parquet"]

GZIP_MAGIC = b"\x1f\x8b"
PARQUET_MAGIC = b"PAR1"
DELIMITERS = ",;\t|"
SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class UnreadableFile(InvalidArgument):
    """A file that cannot be opened, or whose format nothing tells."""


@dataclass
class OpenFile:
    """A file open for reading: `stream` gives the unpacked bytes, `raw` the bytes on disk, to tell how far it is."""

    path: Path
    format: Format
    stream: IO[bytes]
    raw: IO[bytes]
    size: int

    def fraction(self) -> float:
        """Return how much of the file has been read, 0 to 1."""
        return min(self.raw.tell() / self.size, 1.0) if self.size else 1.0

    def close(self) -> None:
        """Close the file. Safe to repeat."""
        self.stream.close()
        self.raw.close()


def open_file(path: Path) -> OpenFile:
    """Open `path` and find out its format. Raises UnreadableFile when it cannot be read or is of no known format."""
    try:
        raw = path.open("rb")
    except OSError as error:
        raise UnreadableFile(f"cannot read {path}: {error.strerror}") from error
    try:
        packed = raw.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        raw.seek(0)
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if packed else raw
        file_format = _format(path, stream, packed=packed)
        if packed and file_format == "parquet":
            stream = _unpacked(stream)
    except (OSError, EOFError) as error:
        raw.close()
        raise UnreadableFile(f"cannot read {path}: {error}") from error
    except UnreadableFile:
        raw.close()
        raise
    return OpenFile(path, file_format, stream, raw, path.stat().st_size)


def csv_header(path: Path, line: str) -> tuple[list[str], str]:
    """Return the column names in the first line of a CSV file, and the delimiter.

    Raises UnreadableFile when there are none or one is there twice.
    """
    delimiter = max(DELIMITERS, key=line.count)
    header = [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]
    if not any(header):
        raise UnreadableFile(f"{path} is empty: a CSV file begins with a line of column names")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise UnreadableFile(f"{path} has the column {twice[0]!r} twice")
    return header, delimiter


def _format(path: Path, stream: IO[bytes], *, packed: bool) -> Format:
    start = stream.read(4096)
    stream.seek(0)
    if start.startswith(PARQUET_MAGIC):
        return "parquet"
    named = SUFFIXES.get(_suffix(path, packed=packed))
    if named == "parquet":
        raise UnreadableFile(f"{path} is named like a Parquet file, but is not one: it does not begin with PAR1")
    if named is not None:
        return named
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return "jsonl"
    raise UnreadableFile(f"cannot tell the format of {path}: name it .csv, .jsonl or .parquet, with or without .gz")


def _suffix(path: Path, *, packed: bool) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if packed and suffixes and suffixes[-1] in (".gz", ".gzip"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _unpacked(stream: IO[bytes]) -> IO[bytes]:
    """Unpack into a file without a name: Parquet is read from its end, which a packed stream cannot do."""
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115 - closed by the one who reads it
    shutil.copyfileobj(stream, unpacked)
    unpacked.seek(0)
    return unpacked
