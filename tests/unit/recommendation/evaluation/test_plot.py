"""The picture is drawn, of what there is."""

from pathlib import Path
from typing import Any

import pytest

from services.recommendation.evaluation import plot as module
from services.recommendation.evaluation.plot import METRICS, plot
from shared.errors import FailedPrecondition, InvalidArgument

PNG = b"\x89PNG"


def row(algorithm: str, metric: str, value: float, k: int = 20, low: float | None = None) -> dict[str, Any]:
    facts = {"dataset": "tiny", "protocol": "top-n", "algorithm": algorithm, "metric": metric, "k": k, "value": value}
    return {**facts, "low": low, "high": None if low is None else 2 * value - low}


def report(*algorithms: str, low: float | None = 0.1) -> list[dict[str, Any]]:
    return [row(name, metric, 0.3, low=low) for name in algorithms for metric in METRICS]


def test_a_picture(tmp_path: Path) -> None:
    plot(report("quintet", "ease", "most_popular"), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_names_values_and_roles_are_in_it(tmp_path: Path) -> None:
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none"}):
        plot([*report("quintet", "ease", "most_popular"), row("quintet", "recall", 0.9, k=5)], tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    for word in ("quintet", "ease", "most_popular", "recall@20", "tiny · top-n", "baseline", "0.300"):
        assert word in text
    assert "0.900" not in text
    assert "dc:date" not in text


def test_one_without_intervals_and_without_hits(tmp_path: Path) -> None:
    plot([row("ease", metric, 0.0) for metric in METRICS], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_an_unknown_format(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"plot: .*a\.docx"):
        plot(report("ease"), tmp_path / "a.docx")


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(FailedPrecondition, match=r"pip install 'quintet\[plots\]'"):
        plot(report("ease"), tmp_path / "a.png")
