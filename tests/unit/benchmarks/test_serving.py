"""Histograms, stages, results and the page of the serving benchmark, and the page of the main one."""

import argparse
import random
from pathlib import Path
from typing import Any

import pytest

from benchmarks.main.__main__ import write_page as write_main_page
from benchmarks.main.parts import suite_counts
from benchmarks.serving import __main__ as command
from benchmarks.serving.generated import Size
from benchmarks.serving.histogram import Histogram
from benchmarks.serving.load import Loop, Measured
from benchmarks.serving.report import write_page
from benchmarks.serving.results import Results
from benchmarks.serving.sampler import Sampler
from benchmarks.serving.stages import stage_of_module

GROWTH = 1.01
MACHINE = {"processor": "P", "cores": 2, "memory_gb": 8, "system": "Linux", "python": "3.11"}


def bucket(ms: float) -> int:
    """Return the bucket of a time, by searching rather than by a logarithm as the load generator does."""
    return next(number for number in range(5000) if GROWTH**number >= 1000 * ms)


def group(times: list[float], **more: Any) -> dict[str, Any]:
    buckets: dict[str, int] = {}
    for ms in times:
        buckets[str(bucket(ms))] = buckets.get(str(bucket(ms)), 0) + 1
    counts = {
        "calls": len(times),
        "in_time": len(times),
        "full": len(times),
        "items": 10 * len(times),
        "empty": 0,
        "pending": 0,
    }
    return counts | {"errors": {}, "fallbacks": {}, "buckets": buckets} | more


def test_percentiles_are_true_to_a_hundredth():
    times = [random.Random(1).uniform(0.5, 80) for _ in range(1)] + [float(number) for number in range(1, 1001)]
    histogram = Histogram.merged(GROWTH, [group(times)["buckets"]])
    ordered = sorted(times)
    for percent in (1, 50, 90, 99):
        exact = ordered[int(len(ordered) * percent / 100 + 0.999999) - 1]
        assert exact <= histogram.percentile(percent) <= 1.0101 * exact


def test_merged_histograms_are_those_of_all_calls_together():
    fast, slow = [1.0] * 90, [100.0] * 10
    merged = Histogram.merged(GROWTH, [group(fast)["buckets"], group(slow)["buckets"]])
    assert merged.total == 100
    assert merged.percentile(90) == pytest.approx(1, rel=0.011)
    assert merged.percentile(91) == pytest.approx(100, rel=0.011)


def test_without_calls_there_is_no_percentile():
    value = Histogram(GROWTH).percentile(50)
    assert value != value


def test_what_was_measured_adds_up_over_groups():
    groups = {
        "HOME": group([1.0] * 4, errors={"Unavailable": 1}, in_time=3),
        "CART": group([2.0] * 2, errors={"Unavailable": 2}, fallbacks={"no_model": 1}),
    }
    found = Measured({"growth": GROWTH, "seconds": 2.0, "groups": groups})
    assert found.per_second == 2.5
    assert found.items_per_second == 30
    assert found.full_share == 1
    assert found.counted("errors") == {"Unavailable": 3}
    assert found.counted("fallbacks") == {"no_model": 1}
    assert found.histogram.total == 6
    assert found.histogram_of("CART").percentile(50) == pytest.approx(2, rel=0.011)


def test_a_loop_says_what_it_is():
    assert [Loop(1).name, Loop(1, callers=8).name, Loop(1, rate=50).name, Loop(1, stream=True).name] == [
        "1 caller",
        "8 callers",
        "50 a second",
        "one stream",
    ]
    assert Loop(1, stream=True).arguments()[-1] == "-stream"


@pytest.mark.parametrize(
    ("module", "stage"),
    [
        ("sqlalchemy.engine.base", "SQL"),
        ("shared.db.shopper", "SQL"),
        ("shared.db.recommendations", "log"),
        ("services.recommendation.algorithms.ease", "candidates"),
        ("services.recommendation.algorithms.fusion", "fusion"),
        ("services.recommendation.algorithmss", None),
        ("numpy.linalg", None),
        ("", None),
    ],
)
def test_the_longest_prefix_of_a_module_decides(module: str, stage: str | None):
    assert stage_of_module(module) == stage


class Frame:
    """A frame of a stack, as far as it is looked at."""

    def __init__(self, *modules: str) -> None:
        self.f_globals = {"__name__": modules[0]}
        self.f_back = Frame(*modules[1:]) if modules[1:] else None


def test_a_sample_belongs_to_the_innermost_frame_with_a_stage():
    stages = {"a": "A", "b": "B"}
    sampler = Sampler(stages.get)
    assert sampler.stage(Frame("numpy", "b", "a")) == "B"  # type: ignore[arg-type]
    assert sampler.stage(Frame("numpy", "main")) == "other"  # type: ignore[arg-type]
    assert sampler.stage(None) == "other"


@pytest.fixture
def results() -> Results:
    found = Results()
    how = {"commit": "c0ffee", "machine": MACHINE, "seed": 0, "quick": False, "phase_seconds": 15.0, "load": 0.1}
    found.start("demo", how | {"data": {"shop": "demo", "products": 92_331}})
    found.add("demo", "recommend.p50_ms", 3.21987, "ms")
    for loop, p50 in (("1 caller", 1.5), ("8 callers", 9.0)):
        row = {"part": "demo", "shop": "demo", "calls": "HOME", "loop": loop, "per_second": 100.0, "measured": 50}
        row |= {"p50_ms": p50, "p95_ms": 2 * p50, "p99_ms": 3 * p50, "empty": 0, "pending": 0}
        row |= {"errors": {"Unavailable": 5}, "fallbacks": {}, "kept_share": 0.25}
        found.phases.append(row | {"generator_cores": 0.05})
    found.start("inside", how)
    for stage, ms in (("SQL", 2.0), ("a new stage", 1.0), ("gRPC", 0.5)):
        found.profile.append({"part": "inside", "stage": stage, "ms": ms, "share": ms / 3.5})
    return found


def test_a_part_that_is_measured_again_replaces_its_rows_only(results: Results):
    results.start("demo", {})
    assert not results.rows
    assert not results.phases
    assert len(results.profile) == 3


def test_results_come_back_as_they_were_written(results: Results, tmp_path: Path):
    results.remember("before")
    results.save(tmp_path / "new" / "serving.json")
    assert Results.load(tmp_path / "new" / "serving.json") == results
    assert Results.load(tmp_path / "nothing.json") == Results()


def test_what_could_not_be_measured_is_no_figure(results: Results):
    results.add("demo", "absent", None, "ms")
    results.add("demo", "not a number", float("nan"), "ms")
    assert [row["name"] for row in results.rows] == ["recommend.p50_ms"]
    assert results.value("recommend.p50_ms") == 3.22


def test_a_label_keeps_the_figures_and_is_given_once(results: Results):
    results.remember("before")
    results.start("demo", {})
    results.add("demo", "recommend.p50_ms", 1.0, "ms")
    results.remember("after")
    results.remember("after")
    labels = [(entry["label"], entry["figures"]["recommend.p50_ms"]) for entry in results.history]
    assert labels == [("before", 3.22), ("after", 1.0)]


def test_the_page_shows_figures_load_and_profiles(results: Results, tmp_path: Path):
    results.remember("before")
    page = tmp_path / "serving.md"
    write_page(results, page)
    text = page.read_text()
    assert "| recommend.p50_ms | 3.22 | ms | before: 3.22 |" in text
    assert "| demo | HOME | 8 callers | 100.0 | 9.0 | 18.0 | 27.0 | Unavailable 10.0 % |  | 25 % | 0.05 |" in text
    stages = [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line.count("|") == 4]
    assert stages.index("SQL") < stages.index("gRPC") < stages.index("a new stage")
    assert "92,331 products" in text
    assert {"serving-load.png", "serving-profile.png"} <= {path.name for path in tmp_path.iterdir()}
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    write_page(results, page)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == first


def test_a_page_of_nothing_is_a_page(tmp_path: Path):
    write_page(Results(), tmp_path / "serving.md")
    assert "## Figures" in (tmp_path / "serving.md").read_text()


def test_the_command_writes_the_page_and_the_history(results: Results, tmp_path: Path, capsys: Any):
    out, page = tmp_path / "serving.json", tmp_path / "serving.md"
    results.save(out)
    given = ["--report-only", "--label", "before", "--out", str(out), "--page", str(page), "--json"]
    assert command.main(given) == 0
    assert capsys.readouterr().out == out.read_text()
    assert [entry["label"] for entry in Results.load(out).history] == ["before"]
    assert page.is_file()


def test_sizes_and_parts_are_read_from_the_command_line():
    assert command.size_of("10,20,30") == Size(10, 20, 30)
    assert command.parts_of("start,demo") == ["demo", "start"]
    for bad in (lambda: command.size_of("10,20"), lambda: command.parts_of("demo,nothing")):
        with pytest.raises(argparse.ArgumentTypeError):
            bad()


def test_the_suite_is_counted_from_a_junit_file(tmp_path: Path):
    path = tmp_path / "junit.xml"
    path.write_text(
        '<testsuites><testsuite tests="9" failures="1" errors="2" skipped="3" time="4.5"/>'
        '<testsuite tests="1" failures="0" errors="0" skipped="0" time="0.5"/></testsuites>'
    )
    assert suite_counts(path) == {"run": 10, "failed": 3, "skipped": 3, "seconds": 5.0}


def test_the_page_of_the_product_as_a_whole(tmp_path: Path):
    found = Results()
    found.start("demo", {"commit": "c0ffee", "machine": MACHINE, "load": 0.5})
    found.add("demo", "demo.seconds", 123.4, "s")
    write_main_page(found, tmp_path / "main.md")
    text = (tmp_path / "main.md").read_text()
    assert "| demo.seconds | 123.4 | s |" in text
    assert "| demo | c0ffee | 0.5 | 2 × P, 8 GB |" in text
