"""The page and the pictures: docs/benchmarks/simulation.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.drawing import GUIDE, INK, clean, figure_of, save
from benchmarks.simulation.analysis import Runs, by_day
from benchmarks.simulation.behaviour import Sizes
from benchmarks.simulation.knowing import AFTER_VISIT, KNOWING
from benchmarks.simulation.policies import POLICIES
from benchmarks.tables import table

PICTURE = "learning-by-day.png"
TEXT = Path(__file__).with_name("page.md")
"""What the page says beside figures."""
COLOURS = {
    "popular": "#6b7280",
    "static_hybrid": "#2563eb",
    "offline": "#059669",
    "full_loop": "#c2410c",
    KNOWING: "#9ca3af",
    AFTER_VISIT: "#d4d4d8",
}
YARDSTICK_TITLES = {KNOWING: "knows every taste", AFTER_VISIT: "knows tastes after a visit"}
PANELS = (
    ("clicks per 100 products shown", "expected_clicks", "expected_shown", 100.0),
    ("purchases per 100 products shown", "expected_purchases", "expected_shown", 100.0),
    ("revenue by recommendations a session", "expected_gain", "sessions", 0.01),
    ("revenue a session", "expected_revenue", "sessions", 0.01),
)


def write_page(figures: Mapping[str, Any], runs: Runs, facts: Mapping[str, Any], page: Path) -> None:
    """Write the page and its picture from the figures of the parts and the runs.

    `facts` are those of `measure.simulation`: `parameters`, `products`, `seeds`, `days`, `quick`, `machine`, `commit`.
    """
    page.parent.mkdir(parents=True, exist_ok=True)
    draw(runs, Sizes(**facts["parameters"]["sizes"]), page.with_name(PICTURE))
    parts = {"lifts": _lifts(figures), "policies": _policies(figures), "picture": PICTURE, "how": _how(facts)}
    page.write_text(TEXT.read_text().format(**parts, **_values(facts)))


def draw(runs: Runs, sizes: Sizes, file: Path) -> None:
    """Draw the rates by day with their 95 % intervals over the seeds."""
    figure = figure_of(9, 11)
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    for panel, (title, above, below, factor) in zip(panels, PANELS, strict=True):
        for policy in (name for name in COLOURS if any(run["policy"] == name for run in runs)):
            mean, half = (factor * each for each in by_day(runs, policy, above, below))
            days = np.arange(len(mean))
            panel.plot(days, mean, color=COLOURS[policy], linewidth=1.6, label=_title(policy))
            panel.fill_between(days, mean - half, mean + half, color=COLOURS[policy], alpha=0.15, linewidth=0)
        if any(len(run["days"]) > sizes.drift_day for run in runs):
            panel.axvline(sizes.drift_day - 0.5, color=GUIDE, linestyle=":", linewidth=1)
        panel.set_title(title, loc="left", color=INK, fontsize=10)
        clean(panel)
    panels[0].legend(frameon=False, fontsize=8, ncols=3)
    panels[-1].set_xlabel("day; a dotted line is the drift", color=INK, fontsize=9)
    save(figure, file)


def _title(policy: str) -> str:
    return POLICIES[policy].title if policy in POLICIES else YARDSTICK_TITLES[policy]


def _values(facts: Mapping[str, Any]) -> dict[str, Any]:
    behaviour, sizes = facts["parameters"]["behaviour"], facts["parameters"]["sizes"]
    return {**behaviour, **sizes, "products": facts["products"], "refund_percent": 100 * behaviour["refund_share"]}


def _how(facts: Mapping[str, Any]) -> str:
    """Return what the runs were, in a sentence or two."""
    shop = "a quick first training" if facts["quick"] else "a whole training"
    machine = facts["machine"]
    return (
        f"{facts['seeds']} seeds, {facts['days']} days a run, each begun on a shop after {shop}. Measured on "
        f"{machine['cores']} × {machine['processor']}, commit {facts['commit']}."
    )


def _lifts(figures: Mapping[str, Any]) -> str:
    names = [name for name in figures if name.startswith("lift.") and f"{name}.low" in figures]
    rows = [
        [f"`{name}`", *(_percent(figures[f"{name}{end}"]) for end in ("", ".low", ".high", ".bootstrap_low",
                                                                    ".bootstrap_high"))]
        for name in names
    ]  # fmt: skip
    head = ("figure", "value", "low", "high", "low, bootstrap", "high, bootstrap")
    drift = [f"`{name}`: {value}" for name, value in figures.items() if name.startswith("drift.")]
    return table(head, rows, "lrrrrr") + ("\n" + "; ".join(drift) + ".\n" if drift else "")


def _policies(figures: Mapping[str, Any]) -> str:
    policies = list(dict.fromkeys(name.split(".")[1] for name in figures if name.startswith("policy.")))
    columns = ("revenue_per_session", "recommended_per_session", "click_through_rate", "conversion")
    rows = [[_title(policy), *_cells(figures, policy, columns)] for policy in policies]
    head = ("policy", "revenue a session", "of it by recommendations", "clicks per shown", "purchases per shown")
    return table(head, rows, "lrrrr")


def _cells(figures: Mapping[str, Any], policy: str, columns: Sequence[str]) -> list[str]:
    return [str(figures[f"policy.{policy}.{column}"]) for column in columns]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:+.1f} %"
