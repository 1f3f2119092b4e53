"""What all pictures have in common."""

from pathlib import Path
from typing import Any

INK, GRID, GUIDE = "#1f2937", "#e5e7eb", "#6b7280"
OWN_COLOUR = "#c2410c"
DPI = 110


def figure_of(width: float, height: float) -> Any:
    """Return an empty figure of so many inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def clean(panel: Any, *, tidy_ticks: bool = True) -> None:
    """Take away everything that is not data; `tidy_ticks` also chooses few round numbers for the axis of values."""
    panel.grid(axis="x", color=GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelcolor=INK, labelsize=9)
    if tidy_ticks:
        panel.locator_params(axis="x", nbins=6)
    for side in panel.spines.values():
        side.set_visible(False)


def save(figure: Any, path: Path) -> None:
    """Write a figure, without the version of the library, which would change the file."""
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
