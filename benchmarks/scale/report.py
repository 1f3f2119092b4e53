"""The page of the figures: docs/benchmarks/scale.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.serving.results import Results
from benchmarks.tables import table

HEAD = """# Scale

`make bench-scale` measures this on one machine and writes this page and `benchmarks/results/scale.json`;
`BENCH_ARGS="--only train"` runs one part. Parts that were not run are not here.
"""
TRAIN = """
## Training

A whole `quintet train` from nothing: the catalogue is embedded and related, the models are trained and evaluated, the
customers get vectors and segments, and all is stored. The shops have one shape: popularity by a power law, two tastes a
customer, half a year of sessions, customers of very different activity. A shop is written to its database in bulk; that
is not measured. Memory is that of the largest process.

"""
OTHERS = """
## Other figures

"""
COLUMNS = (
    ("products", "products", "{:,.0f}"),
    ("customers", "customers", "{:,.0f}"),
    ("interactions", "interactions", "{:,.0f}"),
    ("seconds", "seconds", "{:,.0f}"),
    ("cpu_seconds", "processor seconds", "{:,.0f}"),
    ("peak_mb", "MiB", "{:,.0f}"),
)
STEPS = ("catalogue", "models", "models.read", "models.learn", "models.fit", "customers")


def write_page(results: Results, page: Path) -> None:
    """Write the page from the figures that are there."""
    page.write_text(HEAD + _training(results) + _others(results))


def _training(results: Results) -> str:
    settings = results.settings.get("train", {})
    shops = settings.get("shops")
    if not shops:
        return ""
    figures = {row["name"]: row["value"] for row in results.rows if row["part"] == "train"}
    rows = [[form.format(shop[name]) for name, _, form in COLUMNS] for shop in shops]
    costs = table([title for _, title, _ in COLUMNS], rows, "r" * len(COLUMNS))
    steps = [[f"{shop['interactions']:,}", *(f"{shop['steps'][step]:,.0f}" for step in STEPS)] for shop in shops]
    parts = table(["interactions", *(f"{step}, s" for step in STEPS)], steps, "r" * (1 + len(STEPS)))
    return f"{TRAIN}{costs}\n{parts}\n{_exponents(figures)}{_where(settings)}"


def _exponents(figures: Mapping[str, Any]) -> str:
    names = {"train": "wall time", "train_cpu": "processor time", "train_memory": "memory"}
    known = [
        f"{words} {figures[f'cost.exponent.{name}']:.2f}"
        for name, words in names.items()
        if f"cost.exponent.{name}" in figures
    ]
    return f"Exponent in the number of interactions: {', '.join(known)}.\n" if known else ""


def _where(settings: Mapping[str, Any]) -> str:
    where = settings["machine"]
    hardware = f"{where['processor']}, {where['cores']} cores, {where['memory_gb']} GB"
    return f"\nMeasured on {hardware}, Python {where['python']}.\n"


def _others(results: Results) -> str:
    rows = [
        [f"`{row['name']}`", f"{row['value']:,}", row["unit"]]
        for row in sorted(results.rows, key=lambda row: str(row["name"]))
        if row["part"] != "train"
    ]
    return OTHERS + table(["figure", "value", "unit"], rows, "lrl") if rows else ""
