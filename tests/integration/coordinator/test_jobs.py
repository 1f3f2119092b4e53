"""Jobs run one of a kind at a time, keep their row up to date and can be watched; the schedule starts them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from services.coordinator import jobs as jobs_module
from services.coordinator import schedule as schedule_module
from services.coordinator.jobs import Jobs
from services.coordinator.schedule import Schedule, ScheduledJob
from shared.db import job_runs
from shared.db.engine import Connection, Database
from shared.db.job_runs import JobRun
from shared.db.schema import job_runs as job_rows
from shared.db.schema import scheduled_jobs
from shared.errors import Conflict, DataLoss, NotFound, Unavailable
from shared.jobs import UNKNOWN_FAULT, Progress


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "WATCH_EVERY_SECONDS", 0.005)
    monkeypatch.setattr(jobs_module, "SAVE_EVERY_SECONDS", 0.0)


async def three_steps() -> AsyncIterator[Progress]:
    yield Progress("first", 0.2)
    yield Progress("second", 0.6)
    yield Progress("done", 1.0, {"version": "v1"})


async def broken() -> AsyncIterator[Progress]:
    yield Progress("first", 0.2)
    raise DataLoss("out of luck")


async def faulty() -> AsyncIterator[Progress]:
    yield Progress("first", 0.2)
    raise RuntimeError("SELECT secret FROM table: connection to 10.0.0.7 failed")


async def endless() -> AsyncIterator[Progress]:
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
    assert (seen[-1].state, seen[-1].error) == (job_runs.FAILED, "out of luck")


async def test_a_job_that_a_fault_of_ours_ended_says_no_raw_exception(database: Database) -> None:
    jobs = Jobs(database)
    run = await jobs.start("train_models", faulty)
    seen = [each async for each in jobs.watch(run.job_id)]
    assert (seen[-1].state, seen[-1].error) == (job_runs.FAILED, UNKNOWN_FAULT)


async def test_one_of_a_kind_at_a_time_across_replicas(database: Database) -> None:
    here, there = Jobs(database), Jobs(database)
    run = await here.start("train_models", endless)
    with pytest.raises(Conflict, match=run.job_id):
        await there.start("train_models", three_steps)
    other = await there.start("refresh_catalog", three_steps)
    assert [each async for each in there.watch(other.job_id)][-1].state == job_runs.SUCCEEDED
    await here.stop()
    stopped = await there.get(run.job_id)
    assert (stopped.state, stopped.error) == (job_runs.FAILED, "the coordinator was stopped")
    again = await there.start("train_models", three_steps)
    assert [each async for each in there.watch(again.job_id)][-1].state == job_runs.SUCCEEDED


async def test_a_job_whose_process_went_away_does_not_block_the_next(database: Database) -> None:
    jobs = Jobs(database)
    long_ago = datetime.now(UTC) - timedelta(minutes=5)
    with database.write() as connection:
        job_runs.start(connection, "lost", "train_models")
        connection.execute(job_rows.update().values(heartbeat_at=long_ago))
    run = await jobs.start("train_models", three_steps)
    assert [each async for each in jobs.watch(run.job_id)][-1].state == job_runs.SUCCEEDED
    assert (await jobs.get("lost")).state == job_runs.FAILED


async def test_a_long_stage_keeps_its_heartbeat(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "HEARTBEAT_SECONDS", 0.005)
    jobs = Jobs(database)
    run = await jobs.start("train_models", endless)
    async with asyncio.timeout(10):
        while (await jobs.get(run.job_id)).heartbeat_at <= run.heartbeat_at + timedelta(milliseconds=20):
            await asyncio.sleep(0.005)
    await jobs.stop()


async def test_an_unknown_job_is_not_found(database: Database) -> None:
    with pytest.raises(NotFound, match="nothing"):
        await Jobs(database).get("nothing")


class Starter:
    """Remembers what it started; raises what it is told to."""

    def __init__(self, database: Database, kind: str, error: Exception | None = None) -> None:
        self.count = 0
        self._database, self._kind, self._error = database, kind, error

    async def start(self) -> None:
        if self._error:
            raise self._error
        self.count += 1
        with self._database.write() as connection:
            job_runs.start(connection, f"{self._kind}-{self.count}", self._kind)


async def test_the_schedule_starts_what_is_due_once(database: Database) -> None:
    starter, never = Starter(database, "maintenance"), Starter(database, "train_models")
    plans = [
        ScheduledJob("maintenance", timedelta(microseconds=1), starter.start),
        ScheduledJob("train_models", timedelta(0), never.start),
        ScheduledJob("refresh_catalog", timedelta(days=1), never.start),
    ]
    schedule = Schedule(database, plans)
    assert await schedule.look() == ["maintenance"]
    assert (starter.count, never.count) == (1, 0)
    later = Schedule(database, [ScheduledJob("maintenance", timedelta(hours=1), starter.start)])
    assert await later.look() == []


@pytest.mark.parametrize("error", [Conflict("another replica"), RuntimeError("bug")])
async def test_a_job_that_does_not_start_does_not_stop_the_schedule(database: Database, error: Exception) -> None:
    bad, good = Starter(database, "maintenance", error), Starter(database, "train_models")
    plans = [
        ScheduledJob(kind, timedelta(microseconds=1), each.start)
        for kind, each in (("maintenance", bad), ("train_models", good))
    ]
    assert await Schedule(database, plans).look() == ["train_models"]


async def test_a_failed_job_is_due_again_before_its_period_ends(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = Starter(database, "train_models")
    schedule = Schedule(database, [ScheduledJob("train_models", timedelta(days=7), starter.start)])
    with database.write() as connection:
        job_runs.start(connection, "first", "train_models")
        job_runs.fail(connection, "first", "no memory")
    assert await schedule.look() == [], "not at once"
    monkeypatch.setattr(schedule_module, "RETRY_AFTER", timedelta(0))
    assert await schedule.look() == ["train_models"]
    assert await schedule.look() == [], "it runs"
    with database.write() as connection:
        job_runs.succeed(connection, "train_models-1", {})
    assert await schedule.look() == [], "it succeeded"


async def test_a_job_whose_process_went_away_is_due_again(database: Database) -> None:
    starter = Starter(database, "train_models")
    schedule = Schedule(database, [ScheduledJob("train_models", timedelta(days=7), starter.start)])
    with database.write() as connection:
        job_runs.start(connection, "lost", "train_models")
        connection.execute(job_rows.update().values(heartbeat_at=datetime.now(UTC) - timedelta(hours=2)))
    assert await schedule.look() == ["train_models"]


async def test_a_restart_does_not_start_the_clock_of_a_job_anew(database: Database) -> None:
    starter = Starter(database, "train_models")
    plans = [ScheduledJob("train_models", timedelta(days=7), starter.start)]
    assert await Schedule(database, plans).look() == []
    with database.write() as connection:
        connection.execute(scheduled_jobs.update().values(since=datetime.now(UTC) - timedelta(days=8)))
    assert await Schedule(database, plans).look() == ["train_models"]


async def test_the_schedule_survives_a_database_that_is_away(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = Starter(sqlite_database, "maintenance")
    plans = [ScheduledJob("maintenance", timedelta(microseconds=1), starter.start)]
    schedule = Schedule(sqlite_database, plans, look_every_seconds=0.001)
    latest, failures = job_runs.latest, iter([Unavailable("away"), RuntimeError("bug")])

    def failing_first(connection: Connection, kind: str) -> JobRun | None:
        for error in failures:
            raise error
        return latest(connection, kind)

    monkeypatch.setattr(job_runs, "latest", failing_first)
    schedule.start()
    async with asyncio.timeout(10):
        while not starter.count:
            await asyncio.sleep(0.001)
    await schedule.stop()


async def test_the_schedule_looks_by_itself(database: Database) -> None:
    starter = Starter(database, "maintenance")
    schedule = Schedule(
        database, [ScheduledJob("maintenance", timedelta(microseconds=1), starter.start)], look_every_seconds=0.001
    )
    schedule.start()
    async with asyncio.timeout(10):
        while not starter.count:
            await asyncio.sleep(0.001)
    await schedule.stop()


async def test_kinds_that_do_the_same_work_exclude_each_other(database: Database) -> None:
    jobs = Jobs(database)
    run = await jobs.start("train_models", endless)
    with pytest.raises(Conflict, match=run.job_id):
        await jobs.start("refresh_catalog", three_steps, ("train_models",))
    await jobs.stop()
