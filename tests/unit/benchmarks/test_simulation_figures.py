"""What the runs say: paired lifts, recovery after the drift, the page, and which runs are made."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.machine import machine
from benchmarks.movable_clock import movable_clock
from benchmarks.simulation import parts
from benchmarks.simulation.analysis import by_day, estimate, levels, lift, recovery, recovery_days
from benchmarks.simulation.behaviour import Behaviour, Sizes
from benchmarks.simulation.campaign import Campaign
from benchmarks.simulation.knowing import AFTER_VISIT, KNOWING
from benchmarks.simulation.report import PICTURE, write_page
from benchmarks.simulation.run import RUNS, Day
from benchmarks.simulation.stored_world import parameters

SIZES = Sizes(days=12, drift_day=6, warm_up_days=1)


def day(number: int, revenue: float, gain: float = 1.0, sessions: int = 10) -> dict[str, Any]:
    return vars(Day(number, sessions, 5, round(revenue), 0, 100, 5, 2, revenue, gain, 100.0, 5.0, 2.0, {})).copy()


def run(policy: str, seed: int, revenue: float, gains: list[float] | None = None) -> dict[str, Any]:
    gains = gains or [1.0] * 12
    days = [day(number, revenue, gain) for number, gain in enumerate(gains)]
    return {"policy": policy, "seed": seed, "days": days, "fallbacks": {}, "seconds": 1.0}


def test_a_lift_is_the_mean_of_the_paired_ratios() -> None:
    runs = [run("full_loop", 1, 110), run("offline", 1, 100), run("offline", 2, 200), run("full_loop", 2, 240)]
    found = lift(runs, "full_loop", "offline", "expected_revenue", slice(1, 6))
    assert found.value == pytest.approx(0.15)
    # Two values, .1 and .2: the mean ± t(1) * .0707 / sqrt(2), and the bootstrap has no others than these.
    assert (found.low, found.high) == pytest.approx((0.15 - 12.706 * 0.05, 0.15 + 12.706 * 0.05), abs=1e-3)
    assert (found.bootstrap_low, found.bootstrap_high) == pytest.approx((0.1, 0.2))


def test_one_seed_says_nothing_of_chance() -> None:
    assert estimate(np.array([0.3]))[:3] == (0.3, float("-inf"), float("inf"))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    inside = [low <= 1.0 <= high for _, low, high, *_ in (estimate(rng.normal(1.0, 2.0, 10)) for _ in range(300))]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)


@pytest.mark.parametrize(
    ("after", "days"),
    [
        ([0.5, 0.6, 0.9, 1.0, 1.0, 1.0], 5.0),  # means of three: .67, .83, .97
        ([1.0, 1.0, 1.0, 0.5, 0.5, 0.5], 0.0),
        ([0.99, 0.5, 0.5, 0.5, 0.5, 0.5], None),
        ([0.5, 1.2, 1.2, 1.2, 1.2, 1.2], 3.0),
    ],
)
def test_the_level_is_back_when_three_days_are_in_the_mean(after: list[float], days: float | None) -> None:
    assert recovery_days(np.array([1.0] * 6 + after), 6) == days


def test_recovery_is_measured_beside_a_shop_that_knows_every_taste() -> None:
    runs = [run("full_loop", seed, 100, [2.0] * 6 + [1.0, 1.0, 2.0, 2.0, 2.0, 2.0]) for seed in (1, 2)]
    runs += [run(KNOWING, seed, 100, [4.0] * 12) for seed in (1, 2)]
    assert levels(runs, "full_loop", KNOWING)[:7] == pytest.approx([0.5] * 6 + [0.25])
    found = recovery(runs, "full_loop", KNOWING, 6)
    assert (found["days"], found["low"], found["high"]) == (5.0, 5.0, 5.0)
    assert (found["level_before"], found["level_lowest"], found["level_end"]) == pytest.approx((0.5, 0.25, 0.5))


def test_rates_by_day_have_intervals_over_the_seeds() -> None:
    mean, half = by_day([run("popular", 1, 100), run("popular", 2, 120)], "popular", "expected_revenue", "sessions")
    assert mean == pytest.approx([11.0] * 12)
    assert half == pytest.approx([12.706 * 1.0] * 12, abs=1e-2)


def test_parts_name_their_figures_and_leave_out_what_was_not_run() -> None:
    runs = [run("popular", 1, 100), run("offline", 1, 110)]
    figures = parts.lifts(runs, SIZES)
    assert figures["lift.offline_over_popular"] == pytest.approx(0.1)
    assert figures["lift.offline_over_popular.low"] is None
    assert figures["lift.offline_over_popular.late"] == pytest.approx(0.1)
    assert "lift.over_offline" not in figures
    assert parts.drift(runs, SIZES) == {}
    assert parts.exploration(runs, SIZES) == {}
    assert parts.levels_of_policies(runs, SIZES)["policy.popular.click_through_rate"] == pytest.approx(0.05)


def test_a_drift_needs_runs_that_are_long_enough() -> None:
    runs = [run(policy, 1, 100) for policy in ("full_loop", KNOWING)]
    assert parts.drift(runs, SIZES)["drift.recovery_days"] == 0.0
    beside = parts.drift([*runs, run(AFTER_VISIT, 1, 100)], SIZES)
    assert beside["drift.after_visit.recovery_days"] == beside["drift.recovery_days"] == 0.0
    short = [each | {"days": each["days"][:6]} for each in runs]
    assert parts.drift(short, SIZES) == {}


def test_the_page_has_the_figures_and_the_picture(tmp_path: Path) -> None:
    runs = [run(policy, seed, 100 + seed) for policy in ("popular", "offline", KNOWING, AFTER_VISIT) for seed in (1, 2)]
    figures = parts.lifts(runs, SIZES) | parts.levels_of_policies(runs, SIZES) | {"drift.recovery_days": 3.0}
    facts = {"parameters": parameters(Behaviour(), SIZES), "products": 1_400, "seeds": 2, "days": 12, "quick": True}
    facts |= {"machine": machine(), "commit": "abc"}
    write_page(figures, runs, facts, tmp_path / "learning.md")
    text = (tmp_path / "learning.md").read_text()
    assert "`lift.offline_over_popular` | +0.0 %" in text
    assert "`drift.recovery_days`: 3.0" in text
    assert "{" not in text
    assert "2 seeds, 12 days a run, each begun on a shop after a quick first training" in text
    assert (tmp_path / PICTURE).stat().st_size > 10_000


def test_a_run_counts_when_it_has_all_days(tmp_path: Path) -> None:
    campaign = Campaign(seeds=1, days=4, policies=("popular",), folder=tmp_path)
    assert list(campaign._wanted()) == [(KNOWING, 1), (AFTER_VISIT, 1), ("popular", 1)]
    assert campaign._made("popular", 1) is None
    file = campaign.home / RUNS / "popular-1.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(run("popular", 1, 100)))
    made = campaign._made("popular", 1)
    assert made is not None
    assert len(made["days"]) == 4
    assert Campaign(seeds=1, days=20, folder=tmp_path)._made("popular", 1) is None


def test_another_world_has_another_folder(tmp_path: Path) -> None:
    homes = {
        Campaign(folder=tmp_path).home,
        Campaign(folder=tmp_path, behaviour=Behaviour(click_base=0.02)).home,
        Campaign(folder=tmp_path, quick=True).home,
    }
    assert len(homes) == 3
    assert Campaign(folder=tmp_path, days=3).home in homes


@pytest.mark.parametrize("shift", [1_000_000.25, -1_000_000.25, 0.75])
def test_processes_read_the_clock_that_was_set(tmp_path: Path, shift: float) -> None:
    command = [
        sys.executable,
        "-c",
        "import time, datetime as d; print(time.time(), d.datetime.now(d.UTC).timestamp())",
    ]
    with movable_clock(tmp_path) as clock:
        clock.set(1_700_000_000)
        stands = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        clock.shift(shift)
        before = time.time()
        moved = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        after = time.time()
    assert all(1_700_000_000 <= float(each) < 1_700_000_060 for each in stands)
    assert all(before <= float(each) - shift + 1e-3 and float(each) - shift - 1e-3 <= after for each in moved)


def test_what_exploration_gave_up_is_the_share_of_the_scores_that_were_displaced() -> None:
    explored = {"places": 1_000, "explored": 10, "scores": 600.0, "explored_scores": 4.0, "displaced_scores": 7.0}
    runs = [run("full_loop", seed, 1.0) | {"explored": explored} for seed in (1, 2)]
    found = parts.exploration([*runs, run("offline", 1, 1.0)], SIZES)
    # Without exploration the lists would have had 600 - 4 + 7.
    assert found["exploration.cost"] == pytest.approx(3 / 603, abs=1e-4)
    assert found["exploration.places"] == pytest.approx(0.01)
    assert parts.exploration([run("offline", 1, 1.0)], SIZES) == {}
