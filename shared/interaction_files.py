"""What customers did with products as a folder of Parquet files, which warehouses write and read.

The columns are `SCHEMA`; more columns are left unread. Files may lie in folders below. Reading and writing take one
batch of rows at a time.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from shared.errors import InvalidArgument
from shared.interaction_kind import Kind

BATCH_ROWS = 65_536
FILE_ROWS = 5_000_000
BATCHES_AHEAD = 2
"""Batches that are read before they are asked for."""
KINDS = tuple(kind.name.lower() for kind in Kind)
"""Words of the column `kind`, at the places of their `Kind`."""
SCHEMA = pa.schema(
    [
        pa.field("customer_id", pa.string()),
        pa.field("visitor_id", pa.string()),
        pa.field("product_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("quantity", pa.float64()),
        pa.field("amount", pa.int64()),
        pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("session", pa.int64(), nullable=False),
        pa.field("order", pa.int64()),
        pa.field("duration_seconds", pa.float64()),
    ]
)
"""`customer_id` or else `visitor_id` says who; `quantity` is in units, by default 1; `amount` in minor units, by
default 0; `session` and `order` are numbers from 1 that rows of one session or order share."""


def write_interactions(folder: Path, batches: Iterable[pa.RecordBatch]) -> int:
    """Write batches of `SCHEMA` into a new folder and return how many rows there are.

    The folder appears when it is whole. Raises InvalidArgument when there is something of that name.
    """
    if folder.exists():
        raise InvalidArgument.of("folder", str(folder), "exists already")
    partial = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    partial.mkdir()
    try:
        ds.write_dataset(
            batches,
            partial,
            schema=SCHEMA,
            format="parquet",
            max_rows_per_file=FILE_ROWS,
        )
        rows = int(ds.dataset(partial, format="parquet").count_rows())
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return rows


class InteractionFolder:
    """The Parquet files of a folder, read as `SCHEMA`.

    Raises
    ------
    InvalidArgument
        If there are no such files, or a column is missing.
    """

    def __init__(self, folder: str) -> None:
        try:
            self._dataset = ds.dataset(folder, format="parquet")
            self.rows = int(self._dataset.count_rows())
        except (OSError, pa.ArrowInvalid) as error:
            raise _unreadable(folder, "is no folder of Parquet files") from error
        self._folder = folder
        there = self._dataset.schema.names
        if missing := [field.name for field in SCHEMA if not field.nullable and field.name not in there]:
            raise _unreadable(folder, f"has no column {', '.join(missing)}")
        self._columns = [name for name in SCHEMA.names if name in there]

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches, with nulls where a column that may be missing is.

        Raises InvalidArgument for a column of another type, or a null where there may be none.
        """
        read = self._dataset.to_batches(
            columns=self._columns,
            batch_size=BATCH_ROWS,
            batch_readahead=BATCHES_AHEAD,
            fragment_readahead=1,
            # Otherwise a file is in memory as a whole until its last row was read.
            fragment_scan_options=ds.ParquetFragmentScanOptions(pre_buffer=False, use_buffered_stream=True),
        )
        for batch in read:
            yield pa.RecordBatch.from_arrays([self._column(batch, field) for field in SCHEMA], schema=SCHEMA)

    def _column(self, batch: pa.RecordBatch, field: pa.Field) -> pa.Array:
        if field.name not in batch.schema.names:
            return pa.nulls(len(batch), field.type)
        try:
            values = batch.column(field.name).cast(field.type)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise _unreadable(self._folder, f"has a column {field.name} that is no {field.type}") from error
        if values.null_count and not field.nullable:
            raise _unreadable(self._folder, f"has an empty {field.name}")
        return values


def _unreadable(folder: str, problem: str) -> InvalidArgument:
    return InvalidArgument.of("training_source", folder, problem)
