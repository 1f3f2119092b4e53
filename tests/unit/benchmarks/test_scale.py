"""The figures of growth: exponents, what is kept of each part, the page, and the shop that is trained."""

import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.scale import kept
from benchmarks.scale.__main__ import figures_of
from benchmarks.scale.report import STEPS, write_page
from benchmarks.scale.train import Training, exponent, figures
from benchmarks.scale.train_shop import LEARNED, forget_training, make_shop
from benchmarks.serving.generated import Size
from shared.db.engine import Database
from shared.db.interactions import Kind, all_interactions


def training(interactions: int, power: float) -> Training:
    cost = interactions**power
    return Training(10, 100, interactions, cost, 2 * cost, 500.0, dict.fromkeys(STEPS, 1.0))


def test_the_exponent_is_that_of_a_power_law() -> None:
    trainings = [training(size, 1.25) for size in (1_000, 5_000, 25_000)]
    assert exponent(trainings, "seconds") == 1.25
    assert exponent(trainings, "peak_mb") == 0.0


def test_the_figures_are_those_of_the_largest_shop() -> None:
    found = figures([training(size, 1.0) for size in (1_000, 25_000, 5_000)])
    assert (found["train.seconds"], found["train.interactions"]) == (25_000, 25_000)
    assert found["cost.exponent.train"] == 1.0
    assert len(found["train.shops"]) == 3
    assert "cost.exponent.train" not in figures([training(1_000, 1.0)])


def test_figures_are_added_to_those_of_other_measurements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "RESULTS", tmp_path / "results" / "scale.json")
    kept.keep({"drain.failed_calls": 0})
    kept.keep(figures_of("train", {"train.seconds": 3.0, "phases": {}, "commit": "abc"}))
    assert kept.kept() == {"drain.failed_calls": 0, "train.seconds": 3.0, "train.commit": "abc"}


def test_the_page_has_what_was_measured(tmp_path: Path) -> None:
    page = tmp_path / "scale.md"
    shops = [training(size, 1.0) for size in (1_000, 25_000)]
    write_page(figures(shops) | {"drain.failed_calls": 0}, page)
    assert "| 10 | 100 | 25,000 | 25,000 | 50,000 | 500 |" in page.read_text()
    assert "wall time 1.00" in page.read_text()
    assert "| `drain.failed_calls` | 0 |" in page.read_text()
    write_page({}, page)
    assert "Training" not in page.read_text()
    assert asdict(shops[0])["interactions"] == 1_000


def test_a_shop_has_the_interactions_of_its_size_and_is_trained_from_nothing(tmp_path: Path) -> None:
    url = make_shop(Size(products=30, customers=40, events=900), tmp_path)
    database = Database(url)
    try:
        with database.read() as connection:
            found = all_interactions(connection)
    finally:
        database.close()
    assert len(found) == 900
    assert set(found.kinds.tolist()) == set(Kind)
    assert (found.amounts[found.kinds == Kind.PURCHASE] > 0).all()
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        indexes = connection.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'ix_browsing%'").fetchone()
    assert indexes[0] >= 3
    forget_training(tmp_path / "shop.db")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in LEARNED]  # noqa: S608
    assert counts == [0] * len(LEARNED)
