"""What callers see is counted by deadline, what is wrong is told, and the page comes out of the results."""

from pathlib import Path

import pytest

from benchmarks.faults.audit import Audit
from benchmarks.faults.ledger import CLIENT_TOLERANCE_SECONDS, DURING, NOBODY_ANSWERS, Ledger
from benchmarks.faults.loading import LoadSeen
from benchmarks.faults.report import PART, add_figures, problems, row, write_page
from benchmarks.faults.scenarios import DATABASES, SCENARIOS
from benchmarks.faults.stage import Found
from benchmarks.machine import machine
from benchmarks.serving.results import Results

DEADLINE = 2.0


def ledger(phase: str = DURING) -> Ledger:
    kept = Ledger()
    kept.phase = phase
    return kept


def seen(kept: Ledger) -> LoadSeen:
    return LoadSeen.of(kept.as_json())


def found(kept: Ledger | None = None, **audited: int) -> Found:
    played = Found("kills", "sqlite", audit=Audit(**{"acknowledged": 5, "stored": 5, **audited}))
    played.seen = seen(kept or ledger())
    played.recovered("customer 0", 1.5, kills=2)
    played.recovered("feedback 0", 0.5)
    return played


def test_calls_are_counted_by_phase_and_method() -> None:
    kept = ledger()
    kept.called("GetProduct", "OK", 0.1, DEADLINE)
    kept.called("GetProduct", "UNAVAILABLE", 0.2, DEADLINE)
    kept.called("GetRecommendations", "OK", 0.3, DEADLINE, fallback=True)
    products, pages = seen(kept).tallies
    assert (products.calls, products.full, products.errors, products.longest) == (2, 1, {"UNAVAILABLE": 1}, 0.2)
    assert (pages.calls, pages.full, pages.fallbacks) == (1, 0, 1)


@pytest.mark.parametrize(
    ("code", "seconds", "late"),
    [
        ("OK", DEADLINE + CLIENT_TOLERANCE_SECONDS, 0),
        ("UNAVAILABLE", 1.9, 0),
        ("OK", DEADLINE + 2 * CLIENT_TOLERANCE_SECONDS, 1),
        ("DEADLINE_EXCEEDED", DEADLINE, 1),
    ],
)
def test_a_call_is_late_without_an_answer_by_its_deadline(code: str, seconds: float, late: int) -> None:
    kept = ledger()
    kept.called("GetProduct", code, seconds, DEADLINE)
    assert found(kept).late == late


def test_nobody_is_late_while_the_coordinator_is_stopped() -> None:
    kept = ledger(NOBODY_ANSWERS)
    kept.called("GetProduct", "DEADLINE_EXCEEDED", DEADLINE, DEADLINE)
    played = found(kept)
    assert played.late == 0
    assert row(played)["unanswered_while_stopped"] == 1


def test_what_must_not_happen_is_told() -> None:
    kept = ledger()
    kept.called("GetProduct", "INTERNAL", 0.1, DEADLINE)
    kept.called("GetProduct", "UNAVAILABLE", 0.1, DEADLINE)
    kept.failed("TimeoutError()")
    played = found(kept, lost=1)
    played.recovered("product 0", 5.5, waited_for="a page")
    assert problems(played) == [
        "lost: 1",
        "whole 5.5 s after product 0, last was a page",
        "1 × INTERNAL",
        "TimeoutError()",
    ]
    assert problems(found()) == []


def test_orders_whose_click_was_lost_are_no_problem_but_told() -> None:
    results = Results()
    add_figures(results, [found(clicks_lost=1)])
    assert results.value("faults.clicks_lost") == 1
    assert results.value("faults.problems") == 0


def test_figures_are_those_over_all_scenarios() -> None:
    results = Results()
    add_figures(results, [found(), found()])
    wanted = {"kills": 4, "faults": 6, "acknowledged": 10, "stored": 10, "recovery_seconds_max": 1.5, "late_answers": 0}
    assert {name: results.value(f"faults.{name}") for name in wanted} == wanted


def test_the_page_shows_each_scenario(tmp_path: Path) -> None:
    results = Results()
    results.start(PART, {"machine": machine(), "commit": "c", "load": 0.5, "minutes": 1})
    results.phases = [row(found())]
    add_figures(results, [found()])
    write_page(results, tmp_path / "faults.md")
    text = (tmp_path / "faults.md").read_text()
    assert "| kills | sqlite | 3 | 5 | 5 | customer 0 | 1.5 | 0 | 0 |  |" in text
    assert "faults.late_answers" in text


def test_every_scenario_has_a_database() -> None:
    assert all(set(scenario.databases) <= set(DATABASES) for scenario in SCENARIOS.values())


def test_only_what_one_database_alone_can_suffer_is_left_out_on_the_other() -> None:
    alone = {name for name, scenario in SCENARIOS.items() if scenario.databases != DATABASES}
    assert alone == {"damaged", "restarted", "silent"}
