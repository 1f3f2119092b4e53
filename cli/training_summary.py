"""What a training came to, in a few lines for people. Programs take the JSON, which says all of it."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from cli.output import out

MEGABYTE = 1_000_000
METRIC = "ndcg_at_"
STEPS = ("catalogue", "models", "customers")
PARTS = {"read_seconds": "reading", "learn_seconds": "learning the hybrids", "fit_seconds": "fitting on all data"}
"""What the seconds of the parts of a step are called."""
EVALUATION = (
    "The last tenth of the time, by customers nothing was learned from: {metric}. Where the hybrid is not ahead of "
    "fixed weights, these are used."
)


def print_training(result: Mapping[str, Any]) -> None:
    """Print seconds, sizes and, by context, how the hybrid did beside the best algorithm alone and popularity."""
    out.print(f"trained in {result['seconds']:,.1f} s: {_sizes(result)}", highlight=False)
    if stages := _stages(result):
        out.print(stages, highlight=False)
    evaluation: Mapping[str, Mapping[str, Any]] = result.get("models", {}).get("evaluation", {})
    if not evaluation:
        out.print("no hybrid yet: too few customers came back to ask what they chose", highlight=False)
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("context", "questions", "evaluated", "hybrid", "best alone", "popular", "in use"):
        table.add_column(heading, justify="left" if heading in ("context", "in use") else "right")
    for context, facts in evaluation.items():
        table.add_row(context, *_cells(facts))
    out.print(table)
    out.print(EVALUATION.format(metric=_metric(evaluation)), highlight=False)
    for context, facts in evaluation.items():
        if facts.get("event_feedback"):
            out.print(f"responses to shown lists, {context}: {facts['event_feedback']}", highlight=False)


def _stages(result: Mapping[str, Any]) -> str:
    """Return the seconds of each step of the training, and of the parts of the longest."""
    steps = [
        f"{name} {result[name]['seconds']:,.1f} s" + _parts(result[name])
        for name in STEPS
        if "seconds" in result.get(name, {})
    ]
    return ", ".join(steps)


def _parts(facts: Mapping[str, Any]) -> str:
    parts = [f"{what} {facts[name]:,.1f}" for name, what in PARTS.items() if name in facts]
    return f" ({', '.join(parts)})" if parts else ""


def _sizes(result: Mapping[str, Any]) -> str:
    models, catalogue, customers = (result.get(name, {}) for name in ("models", "catalogue", "customers"))
    parts = [
        _count(catalogue, "products", "products"),
        _count(customers, "customers", "customers"),
        _count(customers, "segments", "segments"),
        f"{len(models.get('algorithms') or models.get('params', ()))} algorithms" if models else "",
        f"model of {models['size_bytes'] / MEGABYTE:,.0f} MB" if "size_bytes" in models else "",
        f"at most {models['peak_mb']:,} MB of memory" if "peak_mb" in models else "",
    ]
    return ", ".join(part for part in parts if part)


def _count(facts: Mapping[str, Any], name: str, what: str) -> str:
    return f"{facts[name]:,} {what}" if name in facts else ""


def _cells(facts: Mapping[str, Any]) -> tuple[str, ...]:
    scores = {name.rpartition(".")[2]: value for name, value in facts.items() if name.startswith(METRIC)}
    return (
        f"{facts['questions']:,}",
        f"{facts['evaluated']:,}",
        _score(scores.get("hybrid") if facts["learned"] else None),
        f"{_score(scores.get('best'))} {facts['best']}",
        _score(scores.get("popular")),
        "hybrid" if facts["learned"] else "fixed weights",
    )


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _metric(evaluation: Mapping[str, Mapping[str, Any]]) -> str:
    names = (name for facts in evaluation.values() for name in facts if name.startswith(METRIC))
    return f"NDCG at {next(names, METRIC).removeprefix(METRIC).partition('.')[0]}"
