"""A picture of an evaluation: for each metric a dot and its interval for everybody who took part."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from services.recommendation.evaluation.ranker_registry import BASELINES, TUNED_BASELINES
from shared.errors import FailedPrecondition, InvalidArgument

METRICS = ("recall", "ndcg", "hit_rate", "mrr", "map")
OWN = "quintet"
COLOURS = {"own": "#c2410c", "part": "#1d4ed8", "baseline": "#8a8f98"}
WORDS = {"own": "quintet", "part": "one algorithm of it", "baseline": "baseline"}
GRID, INK = "#e5e7eb", "#1f2937"
DPI = 150
ROOM = 1.3
"""Width of a panel over its highest value: the figures stand right of the intervals."""


def require_matplotlib() -> None:
    """Raise FailedPrecondition where pictures cannot be drawn."""
    if find_spec("matplotlib") is None:
        raise FailedPrecondition("plot: matplotlib is not installed: pip install 'quintet[plots]'")


def plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the accuracy in the rows of a report, one panel a metric, the best on top.

    Parameters
    ----------
    rows : sequence of dict
        Of one data set and protocol, as in reports; at several k the largest is drawn.
    path : Path
        Its ending says the format, such as .png or .svg.

    Raises
    ------
    FailedPrecondition
        If matplotlib is not installed.
    InvalidArgument
        If the format is not known.
    """
    require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    k = max(row["k"] for row in rows)
    drawn = {metric: _values(rows, metric, k) for metric in METRICS}
    order = sorted(drawn["ndcg"], key=lambda name: drawn["ndcg"][name][0])
    size = (2.2 + 2.4 * len(METRICS), 1.3 + 0.34 * len(order))
    figure: Any = Figure(figsize=size, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(METRICS), sharey=True)
    figure.get_layout_engine().set(wspace=0.05)
    for panel, (metric, values) in zip(panels, drawn.items(), strict=True):
        _panel(panel, f"{metric}@{k}", values, order)
    _name(panels[0], order)
    title = f"{rows[0]['dataset']} · {rows[0]['protocol']}"
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, weight="bold", color=INK)
    _legend(figure, panels[0], order)
    try:
        # Without the moment at which it was drawn, which says nothing of the rows.
        figure.savefig(path, dpi=DPI, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
    except ValueError as error:
        raise InvalidArgument.of("plot", str(path), str(error)) from error


def _values(rows: Sequence[dict[str, Any]], metric: str, k: int) -> dict[str, tuple[float, float, float]]:
    """Return value and interval of everybody; an interval that is not there is the value itself."""
    chosen = [row for row in rows if row["metric"] == metric and row["k"] == k]
    return {
        row["algorithm"]: (row["value"], _or(row["low"], row["value"]), _or(row["high"], row["value"]))
        for row in chosen
    }


def _or(value: float | None, instead: float) -> float:
    return instead if value is None else value


def _panel(panel: Any, title: str, values: dict[str, tuple[float, float, float]], order: Sequence[str]) -> None:
    for place, name in enumerate(order):
        value, low, high = values[name]
        colour = COLOURS[_role(name)]
        panel.plot([low, high], [place, place], color=colour, linewidth=2, alpha=0.55, solid_capstyle="round")
        panel.plot([value], [place], "o", color=colour, markersize=7 if name == OWN else 5.5)
        figures = {"xytext": (6, 0), "textcoords": "offset points", "va": "center", "fontsize": 8, "color": colour}
        panel.annotate(f"{value:.3f}", (high, place), **figures)
    panel.set_title(title, fontsize=10.5, loc="left", color=INK)
    panel.set_ylim(-0.6, len(order) - 0.4)
    panel.set_xlim(0.0, ROOM * max(high for _, _, high in values.values()) or 1.0)
    panel.grid(axis="x", color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelcolor=INK, labelsize=9)
    panel.locator_params(axis="x", nbins=4)
    for side in panel.spines.values():
        side.set_visible(False)


def _name(panel: Any, order: Sequence[str]) -> None:
    panel.set_yticks(range(len(order)), order, fontsize=9.5)
    for label in panel.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == OWN else "normal")


def _legend(figure: Any, panel: Any, order: Sequence[str]) -> None:
    roles = [role for role in COLOURS if any(_role(name) == role for name in order)]
    if len(roles) > 1:
        marks = [panel.plot([], [], "o", color=COLOURS[role], markersize=5.5, label=WORDS[role])[0] for role in roles]
        figure.legend(handles=marks, loc="upper right", ncols=len(marks), frameon=False, fontsize=9, labelcolor=INK)


def _role(name: str) -> str:
    if name == OWN:
        return "own"
    return "baseline" if name in (*BASELINES, *TUNED_BASELINES) else "part"
