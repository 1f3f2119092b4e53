"""The file of rejected rows."""

import json
from pathlib import Path

import pytest

from cli.importing.convert import Reject
from cli.importing.errors import ImportAborted
from cli.importing.rejects import RejectsFile
from shared.column_mapping import ColumnMapping

PRODUCTS = ColumnMapping("products")


def test_rows_are_written_by_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("of an earlier import\n")
    file = RejectsFile(path, PRODUCTS)
    assert not path.exists()
    file.add([])
    assert not path.exists()
    file.add([Reject(3, "b", {"name": "Löwe"}), Reject(2, "a", {"name": "\udcff"})])
    file.close()
    file.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"line": 2, "reason": "a", "row": {"name": "?"}},
        {"line": 3, "reason": "b", "row": {"name": "Löwe"}},
    ]


def test_what_was_not_committed_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text("1\n2\n3\n4")
    file = RejectsFile(path, PRODUCTS, keep=2)
    file.add([Reject(9, "a", {})])
    file.close()
    assert path.read_text() == '1\n2\n{"line": 9, "reason": "a", "row": {}}\n'


def test_a_lost_file_is_begun_anew(tmp_path: Path) -> None:
    file = RejectsFile(tmp_path / "r.jsonl", PRODUCTS, keep=2)
    file.add([Reject(9, "a", {})])
    file.close()
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 1


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ImportAborted, match="--rejects"):
        RejectsFile(tmp_path, PRODUCTS)
    with pytest.raises(ImportAborted, match="--rejects"):
        RejectsFile(tmp_path / "none" / "r.jsonl", PRODUCTS)


def test_personal_and_unknown_columns_are_hidden_and_only_the_owner_reads(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.touch(mode=0o644)
    file = RejectsFile(path, ColumnMapping("customers", ["mail=email"]), keep=0)
    row = {"customer_id": "c", "mail": "a@x.org", "name": "Anna", "demographics.attributes.shoe": 42, "vat": "7"}
    file.add([Reject(2, "a", row)])
    file.close()
    shown = json.loads(path.read_text())["row"]
    assert shown == {"customer_id": "c", **dict.fromkeys([name for name in row if name != "customer_id"], "(hidden)")}
    assert path.stat().st_mode & 0o777 == 0o600
