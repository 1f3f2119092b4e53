"""Facts and aggregates as a Parquet file, piece by piece."""

import io
from collections.abc import Generator, Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from shared.db.engine import Database
from shared.db.metric_tables import columns_of, rows_of

CHUNK_BYTES = 1 << 18
_KINDS: Mapping[str, pa.DataType] = {
    "date": pa.date32(),
    "time": pa.timestamp("us", tz="UTC"),
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
}


def parquet_chunks(database: Database, table: str, start: int, end: int) -> Generator[bytes, None, None]:
    """Yield the bytes of a Parquet file with the rows of a table from a day to before another.

    No more than some thousands of rows are in memory.
    """
    schema = pa.schema([(name, _KINDS[kind]) for name, kind in columns_of(table).items()])
    written = io.BytesIO()
    with pq.ParquetWriter(written, schema, compression="zstd") as writer:
        for rows in rows_of(database, table, start, end):
            columns = [
                pa.array(values, each.type) for values, each in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
            yield from _pieces(written)
    yield from _pieces(written)


def _pieces(written: io.BytesIO) -> Iterator[bytes]:
    """Yield what was written since the last call, and forget it."""
    whole = written.getvalue()
    written.seek(0)
    written.truncate()
    for first in range(0, len(whole), CHUNK_BYTES):
        yield whole[first : first + CHUNK_BYTES]
