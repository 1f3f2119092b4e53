"""What `make bench-learning` measures with, keeps and shows."""

import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import part_by_part
from benchmarks.learning import __main__ as command
from benchmarks.learning import aa, ab, serving, simulation
from benchmarks.learning.figures import Figure, keep, printed
from benchmarks.learning.parts import PARTS
from benchmarks.learning.report import write_page
from benchmarks.learning.shoppers import MANY, Shoppers, buying, clicking
from benchmarks.serving.results import Results
from services.feedback.statistics.ratio import RatioMoments
from services.feedback.statistics.sample_size import AlwaysValid, Design, FixedHorizon

WHERE = {
    "machine": {"processor": "a processor", "cores": 2, "memory_gb": 8, "python": "3.11"},
    "commit": "abc",
    "seconds": 61.2,
}
MOMENTS = ("x", "y", "xx", "xy", "yy")


def said(value: float) -> str:
    figures = [
        Figure("aa.rate", value, "share", {"low": 0.01, "high": 0.05}),
        Figure("aa.difference", 1.25e-9, ""),
    ]
    return printed(
        figures, "What was done.", {"All rates": [{"looks": "each day", "tests": 1000, "rate": 0.03}]}, seed=7
    )


def test_a_part_takes_the_place_of_what_was_there_of_it(tmp_path: Path) -> None:
    results, file = Results(), tmp_path / "learning.json"
    for value in (0.9, 0.0375):
        keep("aa", said(value), results, **WHERE)
    results.save(file)
    found = Results.load(file)
    assert found.rows[0] == {
        "name": "aa.rate", "value": 0.0375, "unit": "share", "part": "aa", "low": 0.01, "high": 0.05
    }  # fmt: skip
    assert found.value("aa.difference") == 1.25e-9
    assert len(found.rows) == 2
    assert (found.settings["aa"]["seed"], found.settings["aa"]["commit"]) == (7, "abc")


def test_the_page_shows_parts_that_were_run(tmp_path: Path) -> None:
    results, page = Results(), tmp_path / "learning.md"
    write_page(results, page)
    assert PARTS["aa"] not in page.read_text()
    keep("aa", said(0.0375), results, **WHERE)
    write_page(results, page)
    text = page.read_text()
    assert f"## {PARTS['aa']}\n\nWhat was done.\n" in text
    assert PARTS["ab"] not in text
    assert "| `aa.rate` | 0.0375 | share | 0.01 to 0.05 |" in text
    assert "**All rates**\n\n| looks | tests | rate |\n| --- | ---: | ---: |\n| each day | 1,000 | 0.03 |" in text
    assert "Took 61 s on a processor, 2 cores, 8 GB, Python 3.11." in text


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_a_module(part: str) -> None:
    assert importlib.util.find_spec(f"benchmarks.learning.{part}")


def test_the_command_runs_parts_and_keeps_what_they_print(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[list[str]] = []

    def run(arguments: list[str], **_: Any) -> SimpleNamespace:
        calls.append(arguments[2:])
        return SimpleNamespace(returncode=int("ab" in arguments[2]), stdout=said(0.02))

    monkeypatch.setattr(part_by_part, "subprocess", SimpleNamespace(run=run, PIPE=None))
    monkeypatch.setattr(command, "RESULTS", tmp_path / "learning.json")
    monkeypatch.setattr(command, "PAGE", tmp_path / "learning.md")
    assert command.main(["--only", "aa", "--tests", "9", "--json"]) == 0
    assert calls == [["benchmarks.learning.aa", "--tests", "9"]]
    assert json.loads(capsys.readouterr().out)[0]["name"] == "aa.rate"
    assert command.main([]) == 1
    assert [call[0] for call in calls[1:]] == [f"benchmarks.learning.{part}" for part in PARTS]
    assert command.main(["--report-only"]) == 0
    assert set(Results.load(tmp_path / "learning.json").settings) == set(PARTS) - {"ab"}


@pytest.mark.parametrize("shoppers", [clicking(), buying(), buying(0.05, amount=2.0)])
def test_both_ways_to_draw_shoppers_have_the_stated_moments(shoppers: Shoppers) -> None:
    rng, n = np.random.default_rng(0), 400_000
    expected = [getattr(shoppers.moments(), name) / MANY for name in MOMENTS]
    units = RatioMoments.of(*(each[0] for each in shoppers.units(rng, (1, n))))
    sums = shoppers.sums(rng, np.array([n // 2, n // 2]), 1)
    np.testing.assert_allclose([getattr(units, name) / n for name in MOMENTS], expected, rtol=0.15)
    np.testing.assert_allclose([getattr(sums, name).sum() / n for name in MOMENTS], expected, rtol=0.15)
    np.testing.assert_allclose([units.x / n, units.y / n], expected[:2], rtol=0.04)
    assert sums.n.tolist() == [[n // 2, n // 2]]


def test_a_look_that_does_not_count_finds_nothing() -> None:
    few, many = (
        RatioMoments(*(np.array([[each]]) for each in (n, n, y, n, y, y))) for n, y in ((99.0, 90.0), (900.0, 9.0))
    )
    looks = aa.looks_of(few, many, np.array(1_000.0))
    assert looks.wrong(np.array([0])) == (0, 0)
    assert aa.looks_of(many, many + few, np.array(1_000.0)).wrong(np.array([0])) == (1, 1)


def test_schedules_end_at_the_last_unit() -> None:
    found = aa.schedules(2_800)
    assert {name: (len(looks), looks[0], looks[-1]) for name, looks in found.items()} == {
        "after each unit": (2_800, 0, 2_799),
        "after each 100 units": (28, 99, 2_799),
        "after each day": (28, 99, 2_799),
        "at the end": (1, 2_799, 2_799),
    }


def test_tests_without_a_difference_are_seldom_wrong_and_naive_ones_often() -> None:
    found = aa.measure(tests=30, units=3_000, returning_units=400, seed=1)
    assert len(found) == 2 * 3 * (4 + 2)
    assert aa.measure(tests=30, units=3_000, returning_units=400, seed=1) == found
    always_valid, once = aa.figures(found, 30)
    assert always_valid.value <= 0.1
    assert once.value >= 0.2
    assert always_valid.more["low"] <= always_valid.value <= always_valid.more["high"]
    assert {row["looks"] for row in aa.rows(found, 30)} == set(aa.schedules(100))


@pytest.mark.parametrize("number", [0, 1, 5])
def test_a_scenario_has_about_the_power_that_was_promised(number: int) -> None:
    found = ab.measure(ab.SCENARIOS[number], repetitions=400, seed=2)
    assert found.promised == pytest.approx(0.8, abs=0.001)
    assert abs(found.error) < 0.07


@pytest.mark.parametrize("design", [Design(FixedHorizon(), power=0.5), Design(AlwaysValid(14), power=0.5)])
def test_cuped_has_about_the_power_that_was_promised(design: Design) -> None:
    found = ab.measure_cuped(design, "", repetitions=150, seed=3)
    assert abs(found.error) < 0.13


def test_the_power_that_differs_most_is_told() -> None:
    powers = [ab.Power("a", 0.1, 100, 0.8, 79, 100), ab.Power("b", -0.1, 200, 0.8, 85, 100)]
    power, error = ab.figures(powers)
    assert (power.value, power.more["promised"], power.more["where"]) == (0.85, 0.8, "b")
    assert error.value == pytest.approx(0.05)
    assert [row["effect"] for row in ab.rows(powers)] == ["+10%", "-10%"]


def test_parts_print_what_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(aa, "UNITS", 400)
    monkeypatch.setattr(aa, "RETURNING_UNITS", 200)
    monkeypatch.setattr(ab, "SCENARIOS", ab.SCENARIOS[:1])
    monkeypatch.setattr(ab, "CUPED", {})
    results = Results()
    for name, part, option in (("aa", aa, "--tests"), ("ab", ab, "--repetitions")):
        assert part.main([option, "5", "--seed", "3"]) == 0
        keep(name, capsys.readouterr().out, results, **WHERE)
    assert {row["name"] for row in results.rows} >= {"aa.false_positive_rate", "ab.power", "ab.power_error"}


def test_a_figure_of_the_simulation_has_its_interval_beside_it() -> None:
    found = {"lift.x": 0.1, "lift.x.low": 0.05, "lift.x.high": 0.2, "drift.recovery_days": None, "seeds": 2}
    figures = {each.name: each for each in simulation.figures(found)}
    assert set(figures) == {"lift.x", "drift.recovery_days"}
    assert (figures["lift.x"].value, figures["lift.x"].more) == (0.1, {"low": 0.05, "high": 0.2})
    assert (figures["drift.recovery_days"].unit, figures["drift.recovery_days"].more) == ("days", {})


def test_the_ratio_of_answers_is_of_their_percentiles() -> None:
    rng = np.random.default_rng(3)
    plain = rng.lognormal(1.0, 0.3, 4_000)
    value, low, high = serving.ratio({"learning": 1.1 * plain, "plain": plain}, 99, seed=1)
    assert value == pytest.approx(1.1)
    assert low <= value <= high < 1.2
