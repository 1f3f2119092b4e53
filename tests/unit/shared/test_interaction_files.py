"""Reading files of interactions takes a few batches of memory, however many rows there are."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from shared.interaction_files import SCHEMA, InteractionFolder, write_interactions

ROWS = 50_000
BATCHES = 24


def batches() -> Iterator[pa.RecordBatch]:
    random = np.random.default_rng(0)
    for _ in range(BATCHES):
        numbers = random.integers(1, 2**50, (4, ROWS))
        values = {
            "product_id": pa.array(["p"] * ROWS),
            "kind": pa.array(["view"] * ROWS),
            "amount": pa.array(numbers[0]),
            "time": pa.array(numbers[1]).cast(pa.timestamp("us", tz="UTC")),
            "session": pa.array(numbers[2]),
            "order": pa.array(numbers[3]),
        }
        columns = [values.get(field.name, pa.nulls(ROWS, field.type)) for field in SCHEMA]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def test_reading_needs_far_less_memory_than_the_file_has_bytes(tmp_path: Path) -> None:
    folder, pool = tmp_path / "files", pa.default_memory_pool()
    write_interactions(folder, batches())
    [file] = folder.iterdir()
    before, peak, rows = pool.bytes_allocated(), 0, 0
    for batch in InteractionFolder(str(folder)).batches():
        rows += len(batch)
        peak = max(peak, pool.bytes_allocated() - before)
    assert rows == BATCHES * ROWS
    assert peak < file.stat().st_size / 2
