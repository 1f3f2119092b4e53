"""What happened, as figures and as a page."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.faults.callers import EXPECTED
from benchmarks.faults.ledger import CLIENT_TOLERANCE_SECONDS, NOBODY_ANSWERS
from benchmarks.faults.stage import Found
from benchmarks.serving.results import Results, Row
from benchmarks.tables import table

PART = "faults"
WHOLE_WITHIN_SECONDS = 5.0
AUDITED = ("lost", "doubled", "unasked", "misapplied", "uncredited", "credited_twice", "set_aside")

HEAD = """\
# Faults

Made by `make test-faults` from `benchmarks/results/faults.json`; do not edit. What is broken, and how it is measured,
is said in [benchmarks/README.md](../../benchmarks/README.md#faults).
"""


def problems(found: Found) -> list[str]:
    """Return what happened in a scenario that must not, in words."""
    what, seconds, waited_for = found.slowest
    said = [f"{name}: {value}" for name, value in asdict(found.audit).items() if name in AUDITED and value]
    if found.error:
        said.append(found.error)
    if seconds > WHOLE_WITHIN_SECONDS:
        said.append(f"whole {seconds:.1f} s after {what}, last was {waited_for or 'the first look'}")
    said += [f"{count} × {code}" for code, count in _errors(found).items() if code not in (*EXPECTED, *found.expected)]
    if found.late:
        said.append(f"{found.late} late answers")
    return [*said, *found.seen.failures[:3]]


def row(found: Found) -> Row:
    """Return a scenario as a row of the results."""
    what, seconds, waited_for = found.slowest
    return {
        "part": PART,
        "scenario": found.scenario,
        "database": found.database,
        "faults": found.faults,
        "kills": found.kills,
        "slowest": what,
        "waited_for": waited_for,
        "recovery_seconds_max": round(seconds, 2),
        "recovery_seconds_median": round(_median([each.seconds for each in found.recoveries]), 2),
        "restart_seconds_max": round(max(found.restarts, default=0.0), 2),
        **asdict(found.audit),
        "calls": found.seen.total("calls"),
        "errors": _errors(found),
        "fallbacks": found.seen.total("fallbacks"),
        "late_answers": found.late,
        "late_by_method": _late_by_method(found),
        "unanswered_while_stopped": _unanswered_while_stopped(found),
        "longest_seconds": round(max((each.longest for each in found.seen.tallies), default=0.0), 2),
        "seconds": round(found.seconds),
        "notes": found.notes,
        "problems": problems(found),
    }


def add_figures(results: Results, founds: Sequence[Found]) -> None:
    """Add the figures over all scenarios."""

    def add(name: str, value: float, unit: str) -> None:
        results.add(PART, f"faults.{name}", value, unit)

    add("scenarios", len(founds), "scenarios, each database by itself")
    add("faults", sum(found.faults for found in founds), "things broken")
    add("kills", sum(found.kills for found in founds), "kill -9 at random moments")
    add("acknowledged", sum(found.audit.acknowledged for found in founds), "events and clicks")
    add("stored", sum(found.audit.stored for found in founds), "events and clicks")
    for name in AUDITED:
        add(name, sum(getattr(found.audit, name) for found in founds), "")
    add("clicks_lost", sum(found.audit.clicks_lost for found in founds), "orders not credited, see the notes")
    add("orders_credited_once", sum(len(found.seen.orders) for found in founds) - _miscredited(founds), "orders")
    slowest = max((found.slowest.seconds for found in founds), default=0.0)
    add("recovery_seconds_max", slowest, "s from the end of a fault until all is whole")
    add(
        "restart_seconds_max", max((max(found.restarts, default=0.0) for found in founds), default=0.0), "s, its health"
    )
    add("late_answers", sum(found.late for found in founds), f"calls, tolerance {CLIENT_TOLERANCE_SECONDS:g} s")
    add(
        "unanswered_while_stopped", sum(map(_unanswered_while_stopped, founds)), "calls, the coordinator itself stopped"
    )
    add("calls", sum(found.seen.total("calls") for found in founds), "calls")
    add("fallbacks", sum(found.seen.total("fallbacks") for found in founds), "pages")
    add("problems", sum(bool(problems(found)) for found in founds), "scenarios")


def write_page(results: Results, page: Path) -> None:
    """Write the page. The same results give the same page to the byte."""
    page.parent.mkdir(parents=True, exist_ok=True)
    figures = [[each["name"], f"{each['value']:,g}", each["unit"]] for each in results.rows]
    parts = [
        HEAD,
        table(("figure", "value", ""), figures, "lrl"),
        "## By scenario\n",
        table(SCENARIO_HEAD, [_scenario_line(each) for each in results.phases], "llrrrlrrrl"),
        "## Measured with\n",
        *(_measured_with(how) for how in results.settings.values()),
    ]
    page.write_text("\n".join(parts))


SCENARIO_HEAD = (
    "scenario",
    "database",
    "faults",
    "acknowledged",
    "stored",
    "slowest to be whole",
    "s",
    "late",
    "fallbacks",
    "problems",
)


def _scenario_line(each: Row) -> list[str]:
    counts = [f"{each[name]:,}" for name in ("faults", "acknowledged", "stored")]
    slowest = [each["slowest"], f"{each['recovery_seconds_max']:g}"]
    return [
        each["scenario"],
        each["database"],
        *counts,
        *slowest,
        str(each["late_answers"]),
        str(each["fallbacks"]),
        "; ".join(each["problems"]),
    ]


def _measured_with(how: dict[str, Any]) -> str:
    machine = how["machine"]
    hardware = f"{machine['cores']} × {machine['processor']}, {machine['memory_gb']} GB"
    return f"{hardware}; load before {how['load']:g}, commit {how['commit']}, {how['minutes']:g} minutes.\n"


def _errors(found: Found) -> dict[str, int]:
    counts: dict[str, int] = {}
    for tally in found.seen.tallies:
        for code, count in tally.errors.items():
            counts[code] = counts.get(code, 0) + count
    return counts


def _late_by_method(found: Found) -> dict[str, int]:
    late = {
        f"{each.method}, {each.phase}": each.late + each.unanswered
        for each in found.seen.tallies
        if each.phase != NOBODY_ANSWERS
    }
    return {name: count for name, count in late.items() if count}


def _unanswered_while_stopped(found: Found) -> int:
    return sum(each.unanswered for each in found.seen.tallies if each.phase == NOBODY_ANSWERS)


def _miscredited(founds: Iterable[Found]) -> int:
    return sum(found.audit.uncredited + found.audit.credited_twice + found.audit.clicks_lost for found in founds)


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2] if values else 0.0
