"""Cursors of the event log are read under the names under which their agents keep them, not under texts of ours."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
READERS = {"cursor", "lock_cursor", "move_cursor", "LogConsumer"}


def named_by_text(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call):
            continue
        function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [each for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)]
        if function in READERS and texts:
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_no_cursor_is_named_by_a_text() -> None:
    sources = [path for folder in ("services", "shared", "cli") for path in (ROOT / folder).rglob("*.py")]
    assert [place for path in sources for place in named_by_text(path)] == []
