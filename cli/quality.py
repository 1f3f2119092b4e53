"""Reports of evaluations as tables."""

from collections.abc import Iterable, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from cli.output import out

ACCURACY = ("recall", "ndcg", "hit_rate", "mrr", "map")
LOW_IS_BETTER = ("gini",)
COSTS = {"train_seconds": "train s", "ms_per_user": "ms/user", "peak_mb": "peak MB"}
BEST = "bold green"
SERVED = "served"
"""Begins the names of the page that is served and of the steps to it."""

Row = dict[str, Any]


def print_report(report: dict[str, Any]) -> None:
    """Print a report as tables: accuracy with intervals, what else is measured, slices (at the largest k), and cost.

    Differences of the first algorithm from the others, and those between the steps of the served page, are printed at
    the largest k as well.
    """
    rows: list[Row] = report["rows"]
    settings = report["settings"]
    out.print(f"{rows[0]['dataset']} · {rows[0]['protocol']} · {_asked(settings)}", highlight=False, markup=False)
    for k in sorted({row["k"] for row in rows}):
        at_k = [row for row in rows if row["k"] == k]
        names = [name for name in _distinct(at_k, "metric") if name not in ACCURACY]
        _print_metrics(f"accuracy at {k}", at_k, ACCURACY)
        _print_metrics(f"also at {k}", at_k, names)
    for name in _distinct(report["slices"], "slice"):
        part = [row for row in report["slices"] if row["slice"] == name and row["k"] == max(settings["k"])]
        _print_metrics(f"{name}, {part[0]['questions']:,} questions, at {part[0]['k']}", part, ACCURACY)
    _print_differences(report["differences"], max(settings["k"]))
    _print_relative(rows, report["differences"], max(settings["k"]))
    print_shown_lists(report.get("shown_lists", {}))
    _print_costs(rows)
    _print_notes(settings)


def _asked(settings: dict[str, Any]) -> str:
    seen = "seen products left out" if settings["exclude_seen"] else "all products of train"
    answer = "any event" if settings["target"] == "any" else f"a {settings['target']}"
    return f"{settings['questions']:,} questions of {settings['customers']:,} about {answer} · {seen}"


def _print_metrics(title: str, rows: Sequence[Row], metrics: Sequence[str], *, mark_best: bool = True) -> None:
    table = _table(title, metrics)
    values = {(row["algorithm"], row["metric"]): row for row in rows}
    best = {metric: _best(metric, [row for row in rows if row["metric"] == metric]) for metric in metrics}
    for name in _distinct(rows, "algorithm"):
        of_name = [values[name, metric] for metric in metrics]
        cells = [_cell(row, best=mark_best and row["value"] == best[row["metric"]]) for row in of_name]
        table.add_row(name, *cells)
    out.print(table)


def _print_differences(differences: Sequence[Row], k: int) -> None:
    at_k = [
        row | {"algorithm": f"than {row['versus']}", "own": row["algorithm"]} for row in differences if row["k"] == k
    ]
    for own in _distinct(at_k, "own"):
        of_own = [row for row in at_k if row["own"] == own]
        _print_metrics(f"{own} better by, at {k}", of_own, ACCURACY, mark_best=False)


def _print_relative(rows: Sequence[Row], differences: Sequence[Row], k: int) -> None:
    """Print the differences between the steps of the served page as shares of the NDCG: what each rule changes."""
    ndcg = {row["algorithm"]: row["value"] for row in rows if (row["metric"], row["k"]) == ("ndcg", k)}
    found = [row for row in differences if (row["metric"], row["k"]) == ("ndcg", k)]
    table = _table(f"steps of the served page, change of ndcg at {k}", ["change", "95 %"])
    for row in [row for row in found if row["algorithm"].startswith(SERVED) and row["value"] is not None]:
        shares = [_share(row[name], ndcg[row["versus"]]) for name in ("value", "low", "high")]
        table.add_row(f"{row['algorithm']} against {row['versus']}", shares[0], f"{shares[1]} to {shares[2]}")
    if table.row_count:
        out.print(table)


def print_shown_lists(found: dict[str, Any]) -> None:
    """Print what learning from shown lists brings, by context, or why nothing was measured."""
    if found.get("skipped"):
        out.print(f"shown lists: {found['skipped']}", highlight=False, markup=False)
    for context, said in found.get("contexts", {}).items():
        out.print(f"responses to shown lists, {context}: {said}", highlight=False, markup=False)
    rows: list[Row] = found.get("rows", []) + [row | {"algorithm": "better by"} for row in found.get("differences", [])]
    for context in _distinct(rows, "context"):
        of_context = [row for row in rows if row["context"] == context]
        title = f"what was chosen of {of_context[0]['lists']:,} shown lists, {context}"
        _print_metrics(title, of_context, _distinct(of_context, "metric"), mark_best=False)


def _share(value: float | None, base: float | None) -> str:
    return "–" if value is None or not base else f"{100 * value / base:+.2f} %"


def _print_costs(rows: Sequence[Row]) -> None:
    table = _table("cost", list(COSTS.values()))
    of_name = {row["algorithm"]: row for row in rows}
    for name, row in of_name.items():
        table.add_row(name, f"{row['train_seconds']:,.1f}", f"{row['ms_per_user']:,.2f}", f"{row['peak_mb']:,.0f}")
    out.print(table)


def _print_notes(settings: dict[str, Any]) -> None:
    coverage = settings["coverage"]
    notes = [f"warning: {each}" for each in settings["warnings"]]
    notes += [f"{name} with tuned parameters: {_said(params)}" for name, params in settings["tuned"].items()]
    notes += [f"not asked: {number:,} {coverage['who']} {why}" for why, number in coverage["not_asked"].items()]
    notes += [f"{name} did not take part: {why}" for name, why in settings["skipped"].items()]
    if settings["bootstrap"]:
        notes.append(f"* best; intervals are 95 %, from {settings['bootstrap']:,} resamples of the customers")
    for note in notes:
        out.print(note, highlight=False, markup=False)


def _said(params: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in params.items())


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(box=None, title=title, title_justify="left", title_style="bold", pad_edge=False)
    table.add_column("")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _cell(row: Row, *, best: bool) -> Text:
    """Return the value, `*` after the best, and its interval on the next line."""
    if row["value"] is None:
        return Text("–")
    text = Text(f"{row['value']:.4f}{'*' if best else ' '}", style=BEST if best else "")
    if row["low"] is not None:
        text.append(f"\n{row['low']:.3f}–{row['high']:.3f} ", style="dim not bold default")
    return text


def _best(metric: str, rows: Sequence[Row]) -> float | None:
    values: list[float] = [row["value"] for row in rows if row["value"] is not None]
    if len(values) < 2 or metric == "popularity_bias":
        return None
    return min(values) if metric in LOW_IS_BETTER else max(values)


def _distinct(rows: Iterable[Row], name: str) -> list[str]:
    return list(dict.fromkeys(row[name] for row in rows))
