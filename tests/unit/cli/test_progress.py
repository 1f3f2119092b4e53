"""Progress in a log: each stage is named, and a long one now and then."""

import pytest

from cli import progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_each_stage_is_named_and_a_long_one_again_after_some_seconds(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    show = progress._Plain("training")
    for seconds, stage, fraction in (
        (0.0, "reading", 0.0),
        (0.1, "fitting", 0.1),
        (1.0, "fitting", 0.2),
        (6.0, "fitting", 0.3),
        (6.1, "done", 1.0),
    ):
        clock[0] = 100.0 + seconds
        show(stage, fraction)
    assert capsys.readouterr().err.splitlines() == [
        "training:   0% reading",
        "training:  10% fitting",
        "training:  30% fitting",
        "training: 100% done",
    ]


def test_other_numbers_are_no_other_stage(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    show = progress._Plain("importing")
    for rows in ("1,000 rows, 5.5 rows/s", "2,000 rows, 6 rows/s"):
        show(rows, 0.5)
    assert capsys.readouterr().err.splitlines() == ["importing:  50% 1,000 rows, 5.5 rows/s"]
