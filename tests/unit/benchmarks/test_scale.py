"""What `make bench-scale` keeps: figures of each part as rows, its page, and the exponent of a cost."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.scale.__main__ import keep, unit_of
from benchmarks.scale.report import write_page
from benchmarks.scale.train import Training, exponent, figures
from benchmarks.serving.results import Results

MACHINE = {"processor": "a processor", "cores": 2, "memory_gb": 8, "python": "3.11"}
STEPS = {"catalogue": 1.0, "models": 5.0, "models.read": 1.0, "models.learn": 1.0, "models.fit": 3.0, "customers": 2.0}


def training(interactions: int, seconds: float) -> Training:
    return Training(10, 20, interactions, seconds, 2 * seconds, 100.0, STEPS)


def printed() -> dict[str, Any]:
    found = figures([training(1_000, 10.0), training(10_000, 100.0)])
    return found | {"machine": MACHINE, "commit": "abc"}


def test_a_part_takes_the_place_of_what_was_there_of_it() -> None:
    results = Results()
    keep("overload", {"overload.goodput_ratio": 0.9, "machine": MACHINE}, results)
    for _ in range(2):
        keep("train", printed(), results)
    found = {row["name"]: row["value"] for row in results.rows}
    assert found["overload.goodput_ratio"] == pytest.approx(0.9)
    assert found["train.seconds"] == pytest.approx(100)
    assert len(results.rows) == len(found)
    assert results.settings["train"]["commit"] == "abc"


def test_the_exponent_is_the_slope_of_the_logarithms() -> None:
    assert exponent([training(1_000, 10.0), training(10_000, 100.0)], "seconds") == pytest.approx(1)
    assert exponent([training(1_000, 10.0), training(100_000, 100.0)], "seconds") == pytest.approx(0.5)


def test_figures_have_their_units() -> None:
    assert (unit_of("train.peak_mb"), unit_of("overload.goodput_ratio"), unit_of("cost.exponent.train")) == (
        "MiB",
        "ratio",
        "",
    )


def test_the_page_shows_all_figures(tmp_path: Path) -> None:
    results, page = Results(), tmp_path / "scale.md"
    write_page(results, page)
    assert "Training" not in page.read_text()
    keep("train", printed(), results)
    keep("overload", {"overload.goodput_ratio": 0.9}, results)
    write_page(results, page)
    words = page.read_text()
    assert "10,000" in words
    assert "wall time 1.00" in words
    assert "`overload.goodput_ratio`" in words
