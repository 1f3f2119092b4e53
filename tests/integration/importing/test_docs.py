"""docs/interchange.md says what the code does: every column, every event type, and examples that import."""

import re
from pathlib import Path

import pytest

from shared.columns import COLUMNS, Column
from shared.db.engine import Database
from shared.event_types import NAMES
from tests.integration.importing.conftest import rejects_of, run_into

PAGE = (Path(__file__).parents[3] / "docs" / "interchange.md").read_text()
EXAMPLES = re.findall(r"`(\w+)\.(csv|jsonl)`:\n\n```\w+\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("column", [column for columns in COLUMNS.values() for column in columns], ids=lambda c: c.name)
def test_every_column_is_documented(column: Column) -> None:
    mark = " *" if column.required else ""
    assert f"| `{column.name}`{mark} | {column.type} | {column.default or '–'} | {column.meaning} |" in PAGE


def test_every_event_type_is_documented() -> None:
    for kind, names in NAMES.items():
        assert f"| {', '.join(f'`{name}`' for name in names)} | {kind} |" in PAGE


def test_there_is_an_example_of_each_kind_and_format() -> None:
    assert [(kind, suffix) for kind, suffix, _ in EXAMPLES] == [
        (kind, suffix) for kind in COLUMNS for suffix in ("csv", "jsonl")
    ]


def test_the_examples_import(sqlite_database: Database, tmp_path: Path) -> None:
    for kind, suffix, content in EXAMPLES:
        path = tmp_path / f"{kind}.{suffix}"
        path.write_text(content)
        summary = run_into(sqlite_database, kind, path, currency="GBP")
        assert rejects_of(path) == []
        assert summary.read > 0
        assert not summary.ignored_columns
