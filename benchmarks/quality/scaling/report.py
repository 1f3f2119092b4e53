"""The page on scaling, with a picture. The same results give the same page to the byte."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.drawing import GRID, GUIDE, INK, OWN_COLOUR, clean, figure_of, save
from benchmarks.quality.scaling.costs import COSTS, SYMBOLS
from benchmarks.tables import table

Row = dict[str, Any]
PANELS = {"train_seconds": "training, seconds", "peak_mb": "peak memory, MB", "ms_per_user": "answer, ms a shopper"}
OWN = "quintet"
HUES = ("#1d4ed8", "#047857", "#7c3aed", "#b45309", "#0891b2", "#be185d", "#4d7c0f", "#6b7280")

HEAD = """\
# How the cost grows

Made by `make bench-scaling` from `benchmarks/results/scaling.json`; do not edit.

Synthetic data with 10 customers a product and 10 events a customer, popularity by a power law, in sessions over half
a year; customers and events grow with the catalogue. Each algorithm learns in a process of its own. Peak memory is that
of the process with the data in it. "×" is how much longer training takes in the largest data set than in the smallest.

![Training time, memory and answers against the number of products](scaling.png)
"""


def write_page(results: dict[str, Any], page: Path) -> None:
    """Write the page and its picture."""
    page.parent.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = results["rows"]
    _draw(rows, page.with_suffix(".png"))
    page.write_text("\n".join(_page(results, rows)))


def _page(results: dict[str, Any], rows: list[Row]) -> Iterator[str]:
    yield HEAD
    yield from _sizes(rows)
    sizes = sorted({row["products"] for row in rows})
    for field, title in (
        *PANELS.items(),
        ("ms_alone", "answer, ms for one shopper alone"),
        ("artefact_mb", "kept, MB"),
    ):
        yield f"## {title[0].upper()}{title[1:]}\n"
        growing = field == "train_seconds"
        head = ("", *(f"{size:,} products" for size in sizes), *(("×",) if growing else ()))
        lines = [_line(rows, name, sizes, field, growing=growing) for name in _names(rows)]
        yield table(head, lines, "l" + "r" * (len(head) - 1))
    yield "## In n\n"
    yield f"{SYMBOLS}\n"
    known = [(name, COSTS[name]) for name in _names(rows) if name in COSTS]
    yield table(("", "training", "answer", "kept"), [[name, *cost] for name, cost in known], "llll")
    machine = results["machine"]
    hardware = f"{machine['cores']} × {machine['processor']}, {machine['memory_gb']} GB"
    yield f"Commit {results['commit']}; {hardware}; 2 threads.\n"


def _sizes(rows: list[Row]) -> Iterator[str]:
    found = sorted({(row["products"], row["customers"], row["events"]) for row in rows if "events" in row})
    lines = [[f"{number:,}" for number in each] for each in found]
    yield table(("products", "customers", "events"), lines, "rrr")


def _line(rows: list[Row], name: str, sizes: Sequence[int], field: str, *, growing: bool) -> list[str]:
    cells = [_cell(_of(rows, name, size), field) for size in sizes]
    return [name, *cells, *([_growth(rows, name, sizes, field)] if growing else [])]


def _cell(row: Row | None, field: str) -> str:
    if row is None:
        return "–"
    if "failed" in row:
        return str(row["failed"])
    return f"{row[field]:,.0f}" if row[field] >= 100 else f"{row[field]:.3g}"


def _growth(rows: list[Row], name: str, sizes: Sequence[int], field: str) -> str:
    ends = [_of(rows, name, size) or {} for size in (sizes[0], sizes[-1])]
    first, last = (each.get(field, 0.0) for each in ends)
    return f"{last / first:.1f}" if first and last else "–"


def _draw(rows: list[Row], path: Path) -> None:
    figure = figure_of(13.0, 5.2)
    sizes = sorted({row["products"] for row in rows})
    for panel, (field, title) in zip(figure.subplots(1, len(PANELS)), PANELS.items(), strict=True):
        for number, name in enumerate(_names(rows)):
            points = sorted(
                (row["products"], row[field]) for row in rows if row["algorithm"] == name and row.get(field)
            )
            panel.plot([x for x, _ in points], [y for _, y in points], label=name, **_style(name, number))
        _logarithmic(panel, sizes)
        panel.set_title(title, fontsize=10.5, loc="left", color=INK)
        panel.set_xlabel("products", fontsize=9.5, color=GUIDE)
    handles = figure.axes[0].get_lines()
    figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=9, labelcolor=INK)
    save(figure, path)


def _style(name: str, number: int) -> dict[str, Any]:
    if name == OWN:
        return {"color": OWN_COLOUR, "linewidth": 3, "marker": "o", "markersize": 6, "zorder": 4}
    dashes = "-" if number < len(HUES) else "--"
    return {"color": HUES[number % len(HUES)], "linestyle": dashes, "marker": "o", "markersize": 4}


def _logarithmic(panel: Any, sizes: Sequence[int]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    clean(panel, tidy_ticks=False)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    panel.yaxis.set_minor_locator(NullLocator())
    panel.grid(axis="y", color=GRID, linewidth=0.8)
    panel.set_xticks(sizes, [f"{size // 1000}k" if size >= 1000 else str(size) for size in sizes])
    panel.set_xticks([], minor=True)


def _of(rows: list[Row], name: str, size: int) -> Row | None:
    return next((row for row in rows if row["algorithm"] == name and row["products"] == size), None)


def _names(rows: list[Row]) -> list[str]:
    """Return the names, the product first, then those that take the longest to train."""
    longest: dict[str, float] = {}
    for row in rows:
        longest[row["algorithm"]] = max(longest.get(row["algorithm"], 0.0), row.get("train_seconds", math.inf))
    return sorted(longest, key=lambda name: (name != OWN, -longest[name], name))
