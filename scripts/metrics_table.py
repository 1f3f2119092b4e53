"""The table of metrics in `docs/metrics.md`; `python -m scripts.metrics_table --write` renews it."""

import sys
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

from shared import telemetry

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
BEGIN, END = "<!-- metrics -->\n", "<!-- end of metrics -->\n"
KINDS: dict[type[MetricWrapperBase], str] = {Counter: "counter", Gauge: "gauge", Histogram: "histogram"}


def metrics() -> dict[str, MetricWrapperBase]:
    """Return all metrics by the name under which they are scraped."""
    found = [each for each in vars(telemetry).values() if isinstance(each, MetricWrapperBase)]
    names = [each.describe()[0].name + ("_total" if isinstance(each, Counter) else "") for each in found]
    return dict(sorted(zip(names, found, strict=True)))


def table() -> str:
    """Return the table as Markdown."""
    rows = ["| metric | kind | labels | means |", "|---|---|---|---|"]
    for name, each in metrics().items():
        labels = ", ".join(f"`{label}`" for label in each._labelnames)
        rows.append(f"| `{name}` | {KINDS[type(each)]} | {labels} | {each.describe()[0].documentation} |")
    return "\n".join(rows) + "\n"


def renewed(page: str) -> str:
    """Return the page with the present table."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__" and "--write" in sys.argv:
    PAGE.write_text(renewed(PAGE.read_text()))
