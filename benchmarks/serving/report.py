"""The page on serving, with its pictures. The same results give the same page to the byte."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.drawing import GRID, GUIDE, INK, OWN_COLOUR, clean, figure_of, save
from benchmarks.serving.results import Results, Row
from benchmarks.serving.stages import GRPC, STAGES
from benchmarks.tables import table

HEAD = """\
# How fast the agents answer

Made by `make bench-serving` from `benchmarks/results/serving.json`; do not edit. How it is measured is said in
[benchmarks/README.md](../../benchmarks/README.md#serving).
"""
CEILING = """\
The ceiling is an empty service on the same stack: two processes with grpc.aio and uvloop that pass on the contract's
messages, with a real answer of the demo shop, and do nothing else. Ratios are to the ceiling measured right before and
right after, on the same machine.
"""
LOOPS = """\
"Callers" wait for an answer before they send again. "A second" sends at that rate whatever happens, and counts a call
from the moment when it was due. The column "a second" counts full answers. A call that failed or got a fallback counts
as if it had taken the deadline of 10 s. "Kept" is the share of pages that were not made anew, because they were asked
for a few minutes before and nothing changed that they depend on (decision 0025). "Generator" is how much of a core the
load generator used.
"""
PROFILE = """\
HOME of known customers, one call at a time, in the agent's process; sampled by the clock, and scaled to the median of
calls that were not sampled. gRPC is what one caller waits for beyond that: both hops, and the coordinator.
"""
COLOURS = ("#1d4ed8", "#0891b2", "#047857", "#b45309", "#c2410c", "#7c3aed", "#be185d", "#4d7c0f", "#9ca3af", "#1f2937")
NOW = "now"


def write_page(results: Results, page: Path) -> None:
    """Write the page and the pictures that there is something for."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(_page(results, page)))


def _page(results: Results, page: Path) -> Iterator[str]:
    yield HEAD
    yield "## Figures\n"
    lines = [[row["name"], f"{row['value']:g}", row["unit"], _earlier(results, row["name"])] for row in results.rows]
    yield table(("figure", "value", "", "earlier"), lines, "lrll")
    yield CEILING
    yield from _load_section(results, page)
    yield from _profile_section(results, page)
    yield from _settings_section(results)


def _earlier(results: Results, name: str) -> str:
    """Return the earlier values of a figure with their labels."""
    known = [(entry["label"], entry["figures"].get(name)) for entry in results.history]
    return ", ".join(f"{label}: {value:g}" for label, value in known if value is not None)


def _load_section(results: Results, page: Path) -> Iterator[str]:
    if not results.phases:
        return
    yield "## Under load\n"
    yield LOOPS
    if drawn(_times(results.phases), page.with_name("serving-load.png")):
        yield "![Latency against load](serving-load.png)\n"
    head = (
        "shop",
        "calls",
        "loop",
        "a second",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "errors",
        "fallbacks",
        "kept",
        "generator",
    )
    yield table(head, [_phase_line(row) for row in results.phases], "lllrrrrllrl")


def _phase_line(row: Row) -> list[str]:
    times = [_number(row[name]) for name in ("p50_ms", "p95_ms", "p99_ms")]
    troubles = [_counted(row[name], row["measured"]) for name in ("errors", "fallbacks")]
    return [
        row["shop"],
        row["calls"],
        row["loop"],
        f"{row['per_second']:,.1f}",
        *times,
        *troubles,
        _share(row.get("kept_share")),
        f"{row['generator_cores']:.2f}",
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _counted(counts: dict[str, int], of: int) -> str:
    return "; ".join(f"{name} {100 * count / max(of, 1):.1f} %" for name, count in sorted(counts.items()))


def _profile_section(results: Results, page: Path) -> Iterator[str]:
    profiles = {entry["label"]: entry["profile"] for entry in results.history if entry["profile"]}
    if results.profile:
        profiles[NOW] = results.profile
    if not profiles:
        return
    yield "## Where the time of an answer goes\n"
    yield PROFILE
    _draw_profiles(profiles, page.with_name("serving-profile.png"))
    yield "![Milliseconds by stage](serving-profile.png)\n"
    lines = [[stage, *(_stage_cell(rows, stage) for rows in profiles.values())] for stage in stages_of(profiles)]
    lines.append(["all", *(f"{sum(row['ms'] for row in rows):.2f}" for rows in profiles.values())])
    yield table(("stage, ms", *profiles), lines, "l" + "r" * len(profiles))


def stages_of(profiles: dict[str, list[Row]]) -> list[str]:
    """Return the stages that any of the profiles has, in the order of an answer, unknown ones last."""
    found = {row["stage"] for rows in profiles.values() for row in rows}
    known = [stage for stage in (*STAGES, GRPC) if stage in found]
    return known + sorted(found - set(known))


def _stage_cell(rows: list[Row], stage: str) -> str:
    return next((f"{row['ms']:.2f}" for row in rows if row["stage"] == stage), "–")


def _settings_section(results: Results) -> Iterator[str]:
    yield "## Measured with\n"
    lines = []
    for part, settings in sorted(results.settings.items()):
        machine = settings["machine"]
        hardware = f"{machine['cores']} × {machine['processor']}, {machine['memory_gb']} GB"
        data = ", ".join(
            f"{value:,} {name}" for name, value in settings.get("data", {}).items() if isinstance(value, int)
        )
        how = settings.get("left_out") or f"{settings['phase_seconds']:g} s a phase{_quick(settings)}"
        lines.append([part, settings["commit"], data, how, f"{settings['load']:g}", hardware])
    yield table(("part", "commit", "data", "phases", "load before", "machine"), lines, "llllrl")


def _quick(settings: dict[str, Any]) -> str:
    return ", quick" if settings["quick"] else ""


def _times(phases: list[Row]) -> dict[str, list[tuple[str, float, float]]]:
    """Return p50 and p99 by load of what is asked of the shops in more than one loop."""
    lines: dict[str, list[tuple[str, float, float]]] = {}
    for row in phases:
        if row["p50_ms"] is not None:
            name = f"{row['shop']}: {row['calls']}"
            lines.setdefault(name, []).append((row["loop"], row["p50_ms"], row["p99_ms"]))
    return {name: points for name, points in lines.items() if len(points) > 1}


def drawn(lines: dict[str, list[tuple[str, float, float]]], path: Path) -> bool:
    """Draw p50 and p99 by load, a panel for each of the lines, and return whether there was anything to draw."""
    if not lines:
        return False
    figure = figure_of(11.0, 0.9 + 0.27 * sum(len(points) + 1 for points in lines.values()))
    panel = figure.subplots()
    labels, place = [], 0.0
    for name, points in lines.items():
        for loop, p50, p99 in points:
            panel.plot([p50, p99], [place, place], color=GRID, linewidth=5, solid_capstyle="round", zorder=2)
            panel.plot([p50], [place], "o", color=OWN_COLOUR, markersize=6, zorder=3)
            panel.plot([p99], [place], "|", color=INK, markersize=10, zorder=3)
            labels.append((place, f"{name}, {loop}"))
            place += 1
        place += 0.7
    clean(panel, tidy_ticks=False)
    panel.set_xscale("log")
    panel.set_yticks([each for each, _ in labels], [text for _, text in labels])
    panel.invert_yaxis()
    panel.set_xlabel("milliseconds: ● p50   | p99", fontsize=9.5, color=GUIDE)
    save(figure, path)
    return True


def _draw_profiles(profiles: dict[str, list[Row]], path: Path) -> None:
    figure = figure_of(10.0, 1.5 + 0.55 * len(profiles))
    panel = figure.subplots()
    starts = dict.fromkeys(profiles, 0.0)
    for number, stage in enumerate(stages_of(profiles)):
        colour: Any = COLOURS[number % len(COLOURS)]
        for label, rows in profiles.items():
            ms = next((row["ms"] for row in rows if row["stage"] == stage), 0.0)
            panel.barh(label, ms, left=starts[label], color=colour, height=0.6, label=stage)
            starts[label] += ms
    clean(panel)
    panel.invert_yaxis()
    panel.set_xlabel("milliseconds of one answer", fontsize=9.5, color=GUIDE)
    handles = {text: handle for handle, text in zip(*panel.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=5, frameon=False, fontsize=9)
    save(figure, path)
