"""The pictures of the report. The same results give the same file to the byte, with the same matplotlib."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.drawing import GUIDE, INK, OWN_COLOUR, clean, figure_of, save
from benchmarks.quality.comparison import Check, Comparison, Entry, Role

COLOURS = {
    Role.OWN: OWN_COLOUR,
    Role.SERVED: "#b45309",
    Role.PART: "#1d4ed8",
    Role.BASELINE: "#9ca3af",
    Role.UNTUNED: "#7c3aed",
    Role.PUBLISHED: "#047857",
}
MARKS = {Role.OWN: "o", Role.SERVED: "s", Role.PART: "o", Role.BASELINE: "o", Role.UNTUNED: "D", Role.PUBLISHED: "D"}
WEAKEST = 0.25
"""Weaker than this share of the best is left out of the picture of an evaluation, but not of its table."""

LEFT = 0.5
"""Where the overview begins; what lies farther left is an arrow there."""


def draw_overview(measured: Sequence[Comparison], path: Path) -> None:
    """Draw every metric that something is asked of as a share of what was to be reached."""
    lines = [(each, check) for each in measured for check in each.checks() if check.scale]
    figure = figure_of(10.0, 1.5 + 0.36 * len(lines))
    panel = figure.subplots()
    panel.axvline(1.0, color=GUIDE, linewidth=1.2, linestyle="--", zorder=1)
    for place, (_, check) in enumerate(reversed(lines)):
        _share(panel, check, place)
    labels = [f"{each.dataset.title}, {each.evaluation.protocol}, {check.metric}" for each, check in reversed(lines)]
    panel.set_yticks(range(len(lines)), labels, fontsize=9.5)
    panel.set_xlabel("share of the value to reach; Online Retail: of the best baseline", fontsize=9.5, color=INK)
    clean(panel)
    panel.set_ylim(-0.6, len(lines) - 0.4)
    figure.suptitle("Ours against what was to be reached", x=0.01, ha="left", fontsize=13, weight="bold", color=INK)
    _legend(panel)
    save(figure, path)


def draw_evaluation(each: Comparison, path: Path) -> None:
    """Draw everybody's figures in one evaluation, a panel a metric, the best on top."""
    metrics = each.evaluation.metrics
    best = max((estimate.value for entry in each.everybody() for estimate in _of(entry, metrics)), default=0.0)
    shown = [entry for entry in each.everybody() if _strong(entry, metrics[0], WEAKEST * best)][::-1]
    figure = figure_of(3.2 + 3.6 * len(metrics), 1.5 + 0.27 * len(shown))
    for panel, metric in zip(figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0], metrics, strict=True):
        for place, entry in enumerate(shown):
            _dot(panel, entry, metric, place)
        _guides(panel, each, metric)
        panel.set_title(f"{metric}@{each.evaluation.k}", fontsize=10.5, loc="left", color=INK)
        panel.set_yticks(range(len(shown)), [_label(entry) for entry in shown], fontsize=9)
        clean(panel)
        panel.set_ylim(-0.6, len(shown) - 0.4)
    _tint(figure.axes[0], shown)
    title = f"{each.dataset.title}: {each.evaluation.protocol}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, weight="bold", color=INK)
    _roles(figure, figure.axes[0], shown)
    save(figure, path)


def _share(panel: Any, check: Check, place: int) -> None:
    scale = check.scale or 1.0
    own = check.own
    if check.baseline:
        value = check.baseline.metrics[check.metric].value / scale
        far = value < LEFT
        panel.plot(
            [max(value, LEFT)], [place], "<" if far else "o", color=COLOURS[Role.BASELINE], markersize=6, zorder=2
        )
    if check.known:
        value = check.known.metrics[check.metric] / scale
        panel.plot([value], [place], "D", color=COLOURS[Role.PUBLISHED], markersize=6, zorder=3)
    if check.beyond:
        panel.plot([check.beyond / scale], [place], "|", color=INK, markersize=13, markeredgewidth=1.6, zorder=3)
    ends = [own.low / scale, own.high / scale]
    panel.plot(
        ends, [place, place], color=COLOURS[Role.OWN], linewidth=2.2, alpha=0.55, solid_capstyle="round", zorder=4
    )
    panel.plot([own.value / scale], [place], "o", color=COLOURS[Role.OWN], markersize=8, zorder=5)


def _legend(panel: Any) -> None:
    marks = [
        ("o", COLOURS[Role.OWN], "quintet, with 95 % interval"),
        ("D", COLOURS[Role.PUBLISHED], "best published elsewhere"),
        ("o", COLOURS[Role.BASELINE], "best baseline of this run"),
        ("|", INK, "beyond"),
    ]
    drawn = [panel.plot([], [], mark, color=colour, label=label)[0] for mark, colour, label in marks]
    dashed = panel.plot([], [], "--", color=GUIDE, linewidth=1.2, label="reach")
    panel.figure.legend(
        handles=[*drawn, *dashed], loc="outside lower center", ncols=5, frameon=False, fontsize=9, labelcolor=INK
    )


def _dot(panel: Any, entry: Entry, metric: str, place: int) -> None:
    estimate = entry.metrics.get(metric)
    if estimate is None:
        return
    colour, size = COLOURS[entry.role], 8 if entry.role is Role.OWN else 5.5
    if not estimate.exact:
        ends = [estimate.low, estimate.high]
        panel.plot(ends, [place, place], color=colour, linewidth=2, alpha=0.5, solid_capstyle="round")
    panel.plot([estimate.value], [place], MARKS[entry.role], color=colour, markersize=size)


def _guides(panel: Any, each: Comparison, metric: str) -> None:
    for aims, style, word in ((each.aim.reach, "--", "reach"), (each.aim.beyond, ":", "beyond")):
        if metric in aims:
            panel.axvline(aims[metric], color=GUIDE, linewidth=1.1, linestyle=style, zorder=0)
            panel.annotate(
                word,
                (aims[metric], 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(-2 if word == "beyond" else 2, 2),
                textcoords="offset points",
                ha="left" if word == "beyond" else "right",
                va="bottom",
                fontsize=8,
                color=GUIDE,
            )


def _tint(panel: Any, shown: Sequence[Entry]) -> None:
    for label, entry in zip(panel.get_yticklabels(), shown, strict=True):
        label.set_color(COLOURS[entry.role] if entry.role is not Role.BASELINE else GUIDE)
        label.set_fontweight("bold" if entry.role is Role.OWN else "normal")


def _label(entry: Entry) -> str:
    return f"{entry.name} ({entry.role})" if entry.role in (Role.PUBLISHED, Role.UNTUNED) else entry.name


def _roles(figure: Any, panel: Any, shown: Sequence[Entry]) -> None:
    roles = [role for role in Role if any(entry.role is role for entry in shown)]
    marks = [panel.plot([], [], MARKS[role], color=COLOURS[role], label=str(role))[0] for role in roles]
    figure.legend(
        handles=marks, loc="outside lower center", ncols=len(marks), frameon=False, fontsize=9, labelcolor=INK
    )


def _of(entry: Entry, metrics: Sequence[str]) -> list[Any]:
    return [entry.metrics[metrics[0]]] if metrics[0] in entry.metrics else []


def _strong(entry: Entry, metric: str, least: float) -> bool:
    return entry.role is Role.OWN or any(estimate.value >= least for estimate in _of(entry, (metric,)))
