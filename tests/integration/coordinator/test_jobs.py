"""Jobs run one of a kind at a time, keep their row up to date, can be watched, listed and cancelled."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from services.coordinator import jobs as jobs_module
from services.coordinator.jobs import Jobs
from shared import job_runner, running_job
from shared.db import job_runs
from shared.db.engine import Database
from shared.errors import Conflict, FailedPrecondition, NotFound
from shared.jobs import UNKNOWN_FAULT, Progress
from shared.running_job import RunningJob


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "WATCH_EVERY_SECONDS", 0.005)
    monkeypatch.setattr(job_runner, "SAVE_EVERY_SECONDS", 0.0)


async def three_steps() -> AsyncGenerator[Progress, None]:
    yield Progress("first", 0.2)
    yield Progress("second", 0.6)
    yield Progress("done", 1.0, {"version": "v1"})


async def broken() -> AsyncGenerator[Progress, None]:
    yield Progress("first", 0.2)
    raise RuntimeError("SELECT secret FROM table: connection to 10.0.0.7 failed")


async def nothing_to_learn() -> AsyncGenerator[Progress, None]:
    yield Progress("first", 0.2)
    raise FailedPrecondition("there is nothing to train on yet")


async def endless() -> AsyncGenerator[Progress, None]:
    yield Progress("waiting", 0.1)
    await asyncio.Event().wait()


async def test_a_job_is_watched_until_it_has_succeeded(database: Database) -> None:
    jobs = Jobs(database)
    run = await jobs.start("train_models", three_steps)
    seen = [each async for each in jobs.watch(run.job_id)]
    assert seen[-1].state == job_runs.SUCCEEDED
    assert seen[-1].result == {"version": "v1"}
    assert seen[-1].ended_at is not None
    assert [each.progress for each in seen] == sorted(each.progress for each in seen)


async def test_a_failed_job_says_why(database: Database) -> None:
    jobs = Jobs(database)
    run = await jobs.start("train_models", broken)
    seen = [each async for each in jobs.watch(run.job_id)]
    assert seen[-1].state == job_runs.FAILED
    assert seen[-1].error == UNKNOWN_FAULT


async def test_a_failed_job_tells_an_error_that_is_meant_for_people(database: Database) -> None:
    jobs = Jobs(database)
    run = await jobs.start("train_models", nothing_to_learn)
    seen = [each async for each in jobs.watch(run.job_id)]
    assert (seen[-1].state, seen[-1].error) == (job_runs.FAILED, "there is nothing to train on yet")


@pytest.mark.parametrize("here", [True, False])
async def test_a_job_is_cancelled_from_any_replica(
    database: Database, monkeypatch: pytest.MonkeyPatch, here: bool
) -> None:
    monkeypatch.setattr(running_job, "HEARTBEAT_SECONDS", 60.0 if here else 0.01)
    jobs = Jobs(database)
    run = await jobs.start("train_models", endless)
    asked = await (jobs if here else Jobs(database)).cancel(run.job_id)
    assert asked.cancel_requested_at is not None
    async with asyncio.timeout(10):
        seen = [each async for each in jobs.watch(run.job_id)]
    assert (seen[-1].state, seen[-1].error) == (job_runs.CANCELLED, "")
    again = await jobs.start("train_models", three_steps)
    ended = [each async for each in jobs.watch(again.job_id)][-1]
    assert (await jobs.cancel(again.job_id)) == ended, "one that has ended stays as it is"


async def test_jobs_are_listed_page_by_page(database: Database) -> None:
    jobs = Jobs(database)
    runs = []
    for kind in ("maintenance", "train_models", "maintenance", "refresh_catalog"):
        runs.append(await jobs.start(kind, three_steps))
        assert [each async for each in jobs.watch(runs[-1].job_id)]
    first = await jobs.page((), (), None, 3)
    rest = await jobs.page((), (), (first[-1].started_at, first[-1].job_id), 3)
    assert [each.job_id for each in (*first, *rest)] == [each.job_id for each in reversed(runs)]
    assert len(await jobs.page(("maintenance",), ("SUCCEEDED",), None, 9)) == 2
    assert await jobs.page(("maintenance",), ("FAILED", "CANCELLED"), None, 9) == []


async def test_one_of_a_kind_at_a_time_across_replicas(database: Database) -> None:
    here, there = Jobs(database), Jobs(database)
    run = await here.start("train_models", endless)
    with pytest.raises(Conflict, match=run.job_id):
        await there.start("train_models", three_steps)
    other = await there.start("maintenance", three_steps)
    assert [each async for each in there.watch(other.job_id)][-1].state == job_runs.SUCCEEDED
    await here.stop()
    stopped = await there.get(run.job_id)
    assert (stopped.state, stopped.error) == (job_runs.FAILED, job_runner.STOPPED)
    again = await there.start("train_models", three_steps)
    assert [each async for each in there.watch(again.job_id)][-1].state == job_runs.SUCCEEDED


async def test_a_job_whose_process_went_away_does_not_block_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as quick_end:
        quick_end.setattr(running_job, "LEASE_SECONDS", 0.0)
        lost = RunningJob.claim(database, "train_models")
    jobs = Jobs(database)
    run = await jobs.start("train_models", three_steps)
    assert [each async for each in jobs.watch(run.job_id)][-1].state == job_runs.SUCCEEDED
    assert (await jobs.get(lost.run.job_id)).error == job_runs.LOST


async def test_a_long_stage_keeps_its_heartbeat(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_job, "HEARTBEAT_SECONDS", 0.005)
    jobs = Jobs(database)
    run = await jobs.start("train_models", endless)
    async with asyncio.timeout(10):
        while (await jobs.get(run.job_id)).heartbeat_at <= run.heartbeat_at + timedelta(milliseconds=20):
            await asyncio.sleep(0.005)
    await jobs.stop()


async def test_an_unknown_job_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound, match="nothing"):
        await Jobs(database).get("nothing")


async def test_kinds_that_do_the_same_work_exclude_each_other(database: Database) -> None:
    jobs = Jobs(database)
    run = await jobs.start("train_models", endless)
    with pytest.raises(Conflict, match=run.job_id):
        await jobs.start("refresh_catalog", three_steps)
    await jobs.stop()
