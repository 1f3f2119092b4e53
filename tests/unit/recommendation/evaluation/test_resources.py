"""The peak of memory is that of the work between two moments."""

from pathlib import Path

import numpy as np
import pytest

from services.recommendation.evaluation import resources

BLOCK_MB = 200


def held() -> float:
    block = np.ones(BLOCK_MB * 2**20, np.uint8)
    return float(block[-1])


def test_the_peak_begins_anew() -> None:
    if not resources.reset_peak():
        pytest.skip("this system cannot reset the peak")
    before = resources.peak_mb()
    held()
    assert resources.peak_mb() > before + BLOCK_MB / 2
    resources.reset_peak()
    assert resources.peak_mb() < before + BLOCK_MB / 2


def test_systems_that_do_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(resources, "CLEAR_REFS", tmp_path / "none" / "clear_refs")
    monkeypatch.setattr(resources, "STATUS", tmp_path / "none" / "status")
    assert not resources.reset_peak()
    assert resources.peak_mb() > 1
