"""A job's child says its progress in lines; the parent relays them and tells a failure from a death."""

import os
import sys
from pathlib import Path

import pytest
from quintet.type.v1.error_pb2 import ErrorReason

from shared.config import Settings
from shared.errors import InvalidArgument, QuintetError
from shared.jobs import UNKNOWN_FAULT, ProgressReporter, job_main, run_job
from shared.lease import Lease, working_for

CHILD = """
import os
import sys
from shared.errors import InvalidArgument
from shared.jobs import job_main
from shared.lease import working_for

def work(settings, reporter):
    reporter.report("half way", 0.5)
    if "fail" in sys.argv:
        raise ValueError("no data")
    if "refuse" in sys.argv:
        raise InvalidArgument.of("k", 0, "must be at least 1")
    if "die" in sys.argv:
        sys.exit(3)
    return {"threads": settings.train_threads, "url": settings.database_url, "niceness": os.nice(0),
            "lease": str(working_for.get())}

if __name__ == "__main__":
    sys.exit(job_main("product", work))
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "some_job.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "some_job"


async def test_progress_and_result_are_relayed(module: str) -> None:
    settings = Settings(train_threads=1, database_url="sqlite:///x.db")
    expected = {"threads": 1, "url": "sqlite:///x.db", "niceness": 19, "lease": "None"}
    said = [(each.stage, each.fraction, each.result) async for each in run_job(module, settings)]
    assert said == [("half way", 0.5, None), ("done", 1.0, expected)]


async def test_an_internal_failure_is_told_in_the_log_only(module: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(QuintetError, match=UNKNOWN_FAULT) as failed:
        async for _ in run_job(module, Settings(), "fail"):
            pass
    assert "no data" not in failed.value.message
    assert "no data" in capfd.readouterr().err


async def test_the_child_works_for_the_lease_of_its_parent(module: str) -> None:
    lease = Lease("catalog_and_models", 7)
    token = working_for.set(lease)
    try:
        said = [each.result async for each in run_job(module, Settings())]
    finally:
        working_for.reset(token)
    assert (said[-1] or {})["lease"] == str(lease)


async def test_an_error_with_a_code_keeps_it(module: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidArgument, match="k: must be at least 1, got 0"):
        async for _ in run_job(module, Settings(), "refuse"):
            pass
    assert "Traceback" not in capfd.readouterr().err


async def test_a_death_without_words_is_an_error(module: str) -> None:
    with pytest.raises(QuintetError, match="exit code 3"):
        async for _ in run_job(module, Settings(), "die"):
            pass


def test_the_child_reports_in_json_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["job"])
    monkeypatch.setattr(os, "nice", lambda _: 0)  # this process runs the other tests too
    assert job_main("product", lambda settings, reporter: {"n": 1}) == 0

    def broken(settings: Settings, reporter: ProgressReporter) -> dict[str, int]:
        reporter.report("far", 7.0)
        raise KeyError("x")

    assert job_main("product", broken) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        '{"stage": "done", "progress": 1.0, "result": {"n": 1}}',
        '{"stage": "far", "progress": 1.0}',
        f'{{"error": "{UNKNOWN_FAULT}", "code": "INTERNAL", "reason": {ErrorReason.INTERNAL_FAULT}}}',
    ]
