"""The page of the figures: docs/benchmarks/learning.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.learning.parts import PARTS
from benchmarks.serving.results import Results
from benchmarks.tables import table

HEAD = """# Learning loop

`make bench-learning` measures this and writes this page and `benchmarks/results/learning.json`;
`BENCH_ARGS="--only aa"` runs one part. Parts that were not run are not here.
"""


def write_page(results: Results, page: Path) -> None:
    """Write the page from the figures that are there."""
    parts = [_part(part, results) for part in PARTS if part in results.settings]
    page.write_text("\n".join([HEAD, *parts]))


def _part(part: str, results: Results) -> str:
    settings = results.settings[part]
    figures = [
        [f"`{row['name']}`", str(row["value"]), row["unit"], _interval(row)]
        for row in results.rows
        if row["part"] == part
    ]
    texts = [
        f"## {PARTS[part]}\n\n{settings['about']}\n",
        table(["figure", "value", "unit", "95 % interval"], figures, "lrll"),
        *(f"**{caption}**\n\n{_table(rows)}" for caption, rows in settings["tables"].items() if rows),
        _where(settings),
    ]
    return "\n".join(texts)


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['low']:.4g} to {row['high']:.4g}" if "low" in row and "high" in row else ""


def _table(rows: list[dict[str, Any]]) -> str:
    columns = list(rows[0])
    align = "".join("l" if isinstance(rows[0][column], str) else "r" for column in columns)
    return table(columns, [[_cell(row[column]) for column in columns] for row in rows], align)


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _where(settings: Mapping[str, Any]) -> str:
    where = settings["machine"]
    hardware = f"{where['processor']}, {where['cores']} cores, {where['memory_gb']} GB"
    return f"Took {settings['seconds']:,.0f} s on {hardware}, Python {where['python']}.\n"
