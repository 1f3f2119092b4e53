"""The whole command on a tiny made-up data set: prepare, evaluate, ablate, report."""

import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks.quality import __main__ as command
from benchmarks.quality import child
from benchmarks.quality.order import NO_DATA
from benchmarks.quality.sets.dataset import MissingData
from services.recommendation.evaluation.page_ranker import RANKED
from services.recommendation.evaluation.served_ranker import OFFLINE_PAGE, SERVED, WITHOUT_RULE

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Tmall's files: two tastes, 60 customers, 16 products."""
    folder = tmp_path / "data" / "tmall_multibehavior"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines: dict[str, list[str]] = {"view.train": [], "cart.train": [], "buy.train": [], "buy.test": []}
    for customer in range(60):
        liked = rng.permutation(8) + 8 * (customer % 2)
        for name, some in zip(lines, (liked[:6], liked[:4], liked[:3], liked[3:4]), strict=True):
            lines[name].append(" ".join(map(str, [customer, *some])))
    for name, content in lines.items():
        with gzip.open(folder / f"{name}.txt.gz", "wt") as file:
            file.write("\n".join(content))
    return folder.parent


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(command, "RESULTS", tmp_path / "quality.json")
    monkeypatch.setattr(command, "PAGE", tmp_path / "docs" / "quality.md")


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let children do their work in this process: to start one takes seconds, and one that fails is started below."""

    def run(arguments: Sequence[str], **_: object) -> SimpleNamespace:
        try:
            child.main(arguments[-1])
        except MissingData as reason:
            print(f"  {reason}", file=sys.stderr)
            return SimpleNamespace(returncode=NO_DATA)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(command, "subprocess", SimpleNamespace(run=run))


@pytest.mark.usefixtures("in_this_process")
def test_everything_is_measured_and_reported(data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    names = ["quintet", "item_knn", "most_popular", "content"]
    arguments = ["--data", str(data), "--sets", "serenade_example", "tmall_multibehavior", "--threads", "1"]
    assert command.main([*arguments, "--algorithms", *names]) == 0
    assert "Serenade's example\n  there is no train.tsv.gz" in capfd.readouterr().err
    found = json.loads((tmp_path / "quality.json").read_text())
    hits = {row["algorithm"]: row for row in found["rows"] if row["metric"] == "hit_rate"}
    assert set(hits) == {"quintet", "item_knn", "most_popular", OFFLINE_PAGE, RANKED, SERVED, *WITHOUT_RULE}
    assert all(row["dataset"] == "tmall_multibehavior" and row["protocol"] == "next-item" for row in found["rows"])
    assert all(row["low"] <= row["value"] <= row["high"] for row in hits.values())
    assert all(row["peak_mb"] > 0 for row in hits.values())
    assert hits["quintet"]["train_seconds"] > 0
    settings = found["settings"]["tmall_multibehavior/next-item"]
    assert settings["questions"] == 60
    assert settings["skipped"] == {"content": "nothing to learn from"}
    assert {row["algorithm"] for row in found["ablation"]} == {"quintet", "quintet without item_knn"}
    assert {row["train_seconds"] for row in found["ablation"]} == {None}
    page = tmp_path / "docs" / "quality.md"
    assert "## Without each part" in page.read_text()
    written = page.read_bytes()
    page.unlink()
    assert command.main(["--report-only"]) == 0
    assert page.read_bytes() == written


def test_a_child_that_fails_ends_the_command(data: Path, capfd: pytest.CaptureFixture[str]):
    arguments = ["--data", str(data), "--sets", "tmall_multibehavior", "--algorithms", "nobody"]
    with pytest.raises(SystemExit, match="evaluate of tmall_multibehavior failed"):
        command.main(arguments)
    assert "nobody" in capfd.readouterr().err
