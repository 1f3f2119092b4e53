"""A job that is carried out here: its child processes end with it, on the command line as in the coordinator."""

import asyncio
import os
from pathlib import Path

import pytest

from cli.commands import train
from shared import running_job
from shared.config import Settings
from shared.db import job_runs
from shared.db.engine import Database
from shared.db.leases import LeaseLost
from shared.errors import Conflict
from shared.job_kinds import REFRESH, TRAIN
from shared.job_runner import JobCancelled, carry_out
from shared.jobs import run_job
from shared.running_job import RunningJob

CHILD = """
import os, sys, time
from pathlib import Path
from shared.jobs import job_main

def work(settings, reporter):
    Path(os.environ["PID_FILE"]).write_text(str(os.getpid()))
    reporter.report("waiting", 0.5)
    time.sleep(60)

if __name__ == "__main__":
    sys.exit(job_main("product", work))
"""


@pytest.fixture
def pid_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "waiting_job.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PID_FILE", str(tmp_path / "pid"))
    monkeypatch.setattr(running_job, "HEARTBEAT_SECONDS", 0.02)
    return tmp_path / "pid"


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("how", ["cancelled", "taken over"])
async def test_a_job_that_must_end_takes_its_children_along(database: Database, pid_file: Path, how: str) -> None:
    job = RunningJob.claim(database, TRAIN)
    work = asyncio.create_task(carry_out(job, lambda: run_job("waiting_job", Settings(database_url=database.url))))
    async with asyncio.timeout(60):
        while not (pid_file.exists() and pid_file.read_text()):
            await asyncio.sleep(0.01)
    with database.write() as connection:
        if how == "cancelled":
            job_runs.request_cancel(connection, job.run.job_id)
        else:
            running_job.leases.release(connection, job.lease)
    with pytest.raises(JobCancelled if how == "cancelled" else LeaseLost):
        await asyncio.wait_for(work, 30)
    async with asyncio.timeout(30):  # it was killed; when the system has cleared it away is not ours to say
        while _is_there(int(pid_file.read_text())):
            await asyncio.sleep(0.01)
    with database.read() as connection:
        run = job_runs.get(connection, job.run.job_id)
    assert run is not None
    assert run.state == (job_runs.CANCELLED if how == "cancelled" else job_runs.RUNNING), "a loser records nothing"


async def test_the_command_line_trains_only_while_nobody_else_does(sqlite_database: Database) -> None:
    other = RunningJob.claim(sqlite_database, REFRESH)
    settings = Settings(database_url=sqlite_database.url)
    with pytest.raises(Conflict, match=other.run.job_id):
        await train.train_here(settings, lambda stage, fraction: None)
    other.succeed({})
