"""The schedule starts what is due once, in one coordinator at a time, whatever fails or happens to the clock."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.coordinator import schedule as schedule_module
from services.coordinator.schedule import Schedule, ScheduledJob
from shared.db import job_runs, leases, schedules
from shared.db.engine import Database
from shared.db.job_runs import JobRun
from shared.db.schema import job_runs as job_rows
from shared.errors import Conflict, NotFound, Unavailable
from shared.lease import Lease
from shared.request_ids import RequestKey

HOUR, WEEK = timedelta(hours=1), timedelta(days=7)
KIND = "train_models"


class Clock:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Starter:
    """Starts jobs that end as they are told to; raises what it is told to."""

    def __init__(self, database: Database, clock: Clock, kind: str = KIND, error: Exception | None = None) -> None:
        self.count = 0
        self.error = error
        self.end = job_runs.SUCCEEDED
        self.kind = kind
        self._database, self._clock = database, clock

    async def start(self, *, request: RequestKey | None = None) -> JobRun:
        if self.error:
            raise self.error
        self.count += 1
        with self._database.write() as connection:
            run = job_runs.start(connection, uuid.uuid4().hex, self.kind, Lease("test", self.count))
            values = {"started_at": self._clock.now, "state": self.end, "ended_at": self._clock.now}
            connection.execute(job_rows.update().where(job_rows.c.job_id == run.job_id).values(values))
        return run


class Shop:
    """A coordinator's schedule of one job a week, and its clock."""

    def __init__(self, database: Database, period: timedelta = WEEK) -> None:
        self.database, self.period = database, period
        self.clock = Clock()
        self.starter = Starter(database, self.clock)
        self.schedule = self.coordinator()

    def coordinator(self) -> Schedule:
        plan = ScheduledJob(KIND, self.period, self.starter.start)
        return Schedule(self.database, [plan], now=self.clock)

    async def restart(self) -> None:
        await self.schedule.stop()
        self.schedule = self.coordinator()

    async def after(self, passed: timedelta) -> bool:
        """Say whether a job is started when so much time has passed."""
        self.clock.now += passed
        return bool(await self.schedule.look())


@pytest.fixture
def shop(database: Database) -> Shop:
    return Shop(database)


async def test_what_is_due_starts_once_a_period(shop: Shop) -> None:
    assert not await shop.after(timedelta(0)), "the first start-up stays quiet"
    assert not await shop.after(WEEK - HOUR)
    assert await shop.after(2 * HOUR)
    assert not await shop.after(timedelta(0))
    assert not await shop.after(WEEK - HOUR)
    assert await shop.after(HOUR)


async def test_a_restart_neither_skips_nor_repeats(shop: Shop) -> None:
    await shop.after(timedelta(0))
    for _ in range(7):
        assert not await shop.after(timedelta(hours=23))
        await shop.restart()
    assert await shop.after(timedelta(hours=7))
    await shop.restart()
    assert not await shop.after(timedelta(0))


async def test_what_was_missed_while_all_was_down_runs_once(shop: Shop) -> None:
    assert not await shop.after(timedelta(0))
    await shop.restart()
    assert await shop.after(10 * WEEK)
    assert not await shop.after(HOUR)


async def test_a_failed_job_is_tried_again_after_an_hour_then_less_often(shop: Shop) -> None:
    shop.starter.end = job_runs.FAILED
    await shop.after(timedelta(0))
    assert await shop.after(WEEK)
    for pause in (1, 2, 4, 8):
        assert not await shop.after(pause * HOUR - timedelta(minutes=1)), "not at once"
        await shop.restart()
        assert await shop.after(timedelta(minutes=1)), pause
    shop.starter.end = job_runs.SUCCEEDED
    assert await shop.after(16 * HOUR)
    assert not await shop.after(WEEK - HOUR)
    assert [each.failures for each in await shop.schedule.all()] == [0]


async def test_a_job_that_was_started_by_hand_counts(shop: Shop) -> None:
    await shop.after(timedelta(0))
    shop.clock.now += WEEK - HOUR
    await shop.starter.start()
    assert not await shop.after(HOUR)
    assert await shop.after(WEEK - HOUR)


async def test_a_cancelled_job_is_not_tried_again(shop: Shop) -> None:
    shop.starter.end = job_runs.CANCELLED
    await shop.after(timedelta(0))
    assert await shop.after(WEEK)
    assert not await shop.after(2 * HOUR)


@pytest.mark.parametrize("error", [RuntimeError("bug"), Unavailable("no database"), Conflict("under way")])
async def test_a_job_that_does_not_start_is_due_again_within_the_hour(shop: Shop, error: Exception) -> None:
    await shop.after(timedelta(0))
    shop.starter.error = error
    assert not await shop.after(WEEK)
    shop.starter.error = None
    assert not await shop.after(timedelta(0))
    assert await shop.after(HOUR)


@pytest.mark.parametrize("jump", [timedelta(days=3650), -timedelta(days=3650)])
async def test_a_clock_that_jumps_and_comes_back_does_no_harm(shop: Shop, jump: timedelta) -> None:
    await shop.after(timedelta(0))
    assert await shop.after(WEEK)
    started = shop.starter.count
    for passed in (jump, HOUR, HOUR, -jump, HOUR, HOUR):
        await shop.after(passed)
    assert shop.starter.count - started <= 1, "a missed time runs once"
    hours = [await shop.after(HOUR) for _ in range(24 * 15)]
    assert sum(hours) in (2, 3), "once a week again"


async def test_one_coordinator_at_a_time_looks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    other = shop.coordinator()
    await shop.after(timedelta(0))
    shop.clock.now += WEEK
    assert await other.look() == []
    assert await shop.schedule.look() == [KIND]
    await shop.schedule.stop()
    shop.clock.now += WEEK
    assert await other.look() == [KIND], "it takes over at once from one that stopped"
    await other.stop()
    monkeypatch.setattr(schedule_module, "LEASE_SECONDS", 0.0)
    third, fourth = shop.coordinator(), shop.coordinator()
    await third.look()
    assert await fourth.look() == []
    with shop.database.write() as connection:
        assert leases.holder(connection, schedule_module.LEASE) is None, "and from one that was killed"


async def test_many_coordinators_start_one_job(shop: Shop) -> None:
    await shop.after(timedelta(0))
    await shop.schedule.stop()
    shop.clock.now += WEEK
    coordinators = [shop.coordinator() for _ in range(6)]
    await asyncio.gather(*(each.look() for each in coordinators))
    assert shop.starter.count == 1


async def test_the_loop_goes_on_whatever_is_raised(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.after(WEEK)
    shop.clock.now += 2 * WEEK
    errors = iter([Unavailable("away"), RuntimeError("bug"), MemoryError()])
    load = schedules.load

    def failing_first(*arguments: object) -> schedules.JobSchedule:
        for error in errors:
            raise error
        return load(*arguments)  # type: ignore[arg-type]

    holds = Schedule._holds
    broken = iter([Unavailable("away"), RuntimeError("bug")])

    def not_at_first(self: Schedule) -> bool:
        for error in broken:
            raise error
        return holds(self)

    monkeypatch.setattr(schedules, "load", failing_first)
    monkeypatch.setattr(Schedule, "_holds", not_at_first)
    shop.schedule._look_every_seconds = 0.001
    shop.schedule.start()
    async with asyncio.timeout(10):
        while not shop.starter.count:
            await asyncio.sleep(0.001)
    await shop.schedule.stop()


async def test_a_paused_kind_waits_until_it_is_resumed(shop: Shop) -> None:
    await shop.after(timedelta(0))
    assert (await shop.schedule.update(KIND, paused=True, period=None, usual=False)).paused
    await shop.restart()
    assert not await shop.after(2 * WEEK)
    await shop.schedule.update(KIND, paused=False, period=None, usual=False)
    assert await shop.after(timedelta(0))


async def test_a_period_is_set_for_good_and_counts_from_the_last_start(shop: Shop) -> None:
    await shop.after(timedelta(0))
    assert await shop.after(WEEK)
    await shop.schedule.update(KIND, paused=None, period=timedelta(days=1), usual=False)
    await shop.restart()
    assert not await shop.after(timedelta(hours=23))
    assert await shop.after(HOUR)
    updated = await shop.schedule.update(KIND, paused=None, period=None, usual=True)
    assert updated.period == WEEK
    assert not await shop.after(timedelta(days=6))
    assert await shop.after(timedelta(days=1))


async def test_a_kind_without_a_period_never_starts(database: Database) -> None:
    shop = Shop(database, period=timedelta(0))
    assert not await shop.after(timedelta(days=1000))
    assert (await shop.schedule.run_now(KIND)).kind == KIND
    with pytest.raises(NotFound, match="nonsense"):
        await shop.schedule.run_now("nonsense")


@given(
    moment=st.integers(0, 4 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    ahead=st.timedeltas(-timedelta(days=10_000), timedelta(days=10_000)),
)
def test_nothing_is_due_later_than_a_period_from_now(moment: datetime, ahead: timedelta) -> None:
    stored = schedules.JobSchedule(KIND, WEEK, False, moment + ahead, 0, None, True)
    assert schedules.bounded(stored, moment).next_at <= moment + WEEK
    assert schedules.bounded(stored, moment).next_at <= stored.next_at
