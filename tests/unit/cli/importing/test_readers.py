"""The same rows, whatever the format; what cannot be read costs one row only."""

import gzip
import json
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.importing.batch import RowBatch, join
from cli.importing.errors import ImportAborted
from cli.importing.readers import open_reader

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def read(path: Path, batch_rows: int = 100) -> RowBatch:
    with closing(open_reader(path, batch_rows)) as reader:
        batches = list(reader.batches())
        assert reader.fraction() == 1.0
    found = batches[0]
    for batch in batches[1:]:
        found = join(found, batch)
    return found


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "packed-without-a-name.csv"])
@pytest.mark.parametrize("batch_rows", [1, 2, 100])
def test_csv(tmp_path: Path, name: str, batch_rows: int) -> None:
    content = '\ufeffid,name\n1,Anna\n2,\n\n3,"Löwe, \nO\'Hara"\n'.encode()
    packed = gzip.compress(content) if name.startswith("packed") else content
    batch = read(written(tmp_path / name, packed), batch_rows)
    assert list(batch.lines) == [2, 3, 5]
    assert {name: list(column) for name, column in batch.columns.items()} == {
        "id": ["1", "2", "3"],
        "name": ["Anna", None, "Löwe, \nO'Hara"],
    }


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_other_delimiters(tmp_path: Path, delimiter: str) -> None:
    batch = read(written(tmp_path / "a.csv", f"\n id {delimiter}b\n1{delimiter}x,y\n".encode()))
    assert batch.row(0) == {"id": "1", "b": "x,y"}
    assert list(batch.lines) == [3]


def test_broken_csv_rows(tmp_path: Path) -> None:
    batch = read(written(tmp_path / "a.csv", b'a,b\n1,2,3\n"x"y,2\n4,5\n6\n"never closed,7\n'), 2)
    assert {index: fault.reason for index, fault in batch.faults.items()} == {
        0: "has 3 values, but the header has 2 columns",
        1: "is not CSV: ',' expected after '\"'",
        3: "has 1 values, but the header has 2 columns",
        4: "is not CSV: unexpected end of data",
    }
    assert [batch.row(index) for index in range(5)] == [
        {"text": "1,2,3"},
        {"text": '"x"y,2'},
        {"a": "4", "b": "5"},
        {"text": "6"},
        {"text": '"never closed,7'},
    ]
    assert list(batch.lines) == [2, 3, 4, 5, 6]


@pytest.mark.parametrize("content", [b"", b"\n\n", b",,\n"])
def test_csv_without_a_header(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImportAborted, match="is empty"):
        read(written(tmp_path / "a.csv", content))


def test_a_column_given_twice(tmp_path: Path) -> None:
    with pytest.raises(ImportAborted, match="'a' twice"):
        read(written(tmp_path / "a.csv", b"a,b,a\n1,2,3\n"))


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson.gz", "unnamed"])
def test_jsonl(tmp_path: Path, name: str) -> None:
    rows: list[Any] = [
        {"id": 1, "price": 1.10, "demographics": {"region": "X", "attributes": {"income": "low"}}},
        {"id": 2, "tags": ["a"]},
    ]
    content = "\n\n".join(json.dumps(row) for row in rows).encode() + b"\n"
    batch = read(written(tmp_path / name, content), 1)
    assert list(batch.lines) == [1, 3]
    assert batch.row(0) == {
        "id": 1,
        "price": Decimal("1.1"),
        "demographics.region": "X",
        "demographics.attributes.income": "low",
    }
    assert batch.row(1) == {"id": 2, "tags": ["a"]}


def test_broken_jsonl_rows(tmp_path: Path) -> None:
    batch = read(written(tmp_path / "a.jsonl", b'{"a": 1}\n[1]\n{"a": \n"\xff"\n{"a": 2}\n'))
    assert sorted(batch.faults) == [1, 2, 3]
    assert batch.faults[1].reason == "is not a JSON object"
    assert batch.faults[2].reason.startswith("is not JSON")
    assert batch.faults[3].reason == "is not UTF-8 text"
    assert list(batch.columns["a"]) == [1, None, None, None, 2]


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz", "named-otherwise.csv"])
def test_parquet(tmp_path: Path, name: str) -> None:
    table = pa.table(
        {
            "id": [1, 2, 3],
            "guest": pa.array([1, None, 3]),
            "at": pa.array([AT, None, AT], pa.timestamp("ns", "UTC")),
            "kind": pa.array(["a", None, "a"]).dictionary_encode(),
            "items": [[{"product_id": "p"}], None, []],
            "demographics": [{"region": "X"}, None, {"region": None}],
            "attributes": pa.array([[("colour", "red")], None, []], pa.map_(pa.string(), pa.string())),
        }
    )
    pq.write_table(table, tmp_path / "plain")
    batch = read(written(tmp_path / name, (tmp_path / "plain").read_bytes()), 2)
    assert list(batch.lines) == [1, 2, 3]
    assert batch.row(0) == {
        "id": 1,
        "guest": 1,
        "at": AT,
        "kind": "a",
        "items": [{"product_id": "p"}],
        "demographics.region": "X",
        "attributes.colour": "red",
    }
    assert batch.row(1) == {"id": 2}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ImportAborted, match="No such file"):
        open_reader(tmp_path / "none.csv")
    with pytest.raises(ImportAborted, match="cannot tell the format"):
        open_reader(written(tmp_path / "a.dat", b"a,b"))
    with pytest.raises(ImportAborted, match="PAR1"):
        open_reader(written(tmp_path / "a.parquet", b"a,b"))
    with pytest.raises(ImportAborted, match="cannot read"):
        open_reader(written(tmp_path / "b.parquet", b"PAR1 cut off"))
    whole = gzip.compress(b"a,b\n" + b"1,2\n" * 100_000)
    with pytest.raises(ImportAborted, match="cannot read"):
        read(written(tmp_path / "cut.csv", whole[: len(whole) // 2]))


def test_parts_and_joins_keep_faults_in_place(tmp_path: Path) -> None:
    batch = read(written(tmp_path / "a.csv", b"a,b\n1,2\n3\n4,5\n"))
    assert join(batch.part(0, 1), batch.part(1, 3)) == RowBatch(
        [2, 3, 4], {"a": ["1", None, "4"], "b": ["2", None, "5"]}, batch.faults
    )
