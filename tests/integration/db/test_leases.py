"""Of any number of processes one holds a lease, and who lost it writes nothing any more."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from shared import running_job
from shared.db import job_runs, leases, model_artifacts, models
from shared.db.engine import Database
from shared.db.leases import LeaseLost
from shared.db.weights import set_weights, weights_version
from shared.errors import Conflict
from shared.lease import Lease, working_for
from shared.running_job import RunningJob
from tests.support.events import NOON
from tests.support.waiting import wait_until

TRIES = 100
CONTENDERS = 2


def acquire(database: Database, holder: str, seconds: float = 60.0, name: str = "work") -> Lease | None:
    with database.write() as connection:
        return leases.acquire(connection, name, holder, seconds)


def taken(lease: Lease | None) -> Lease:
    assert lease is not None
    return lease


def test_a_lease_is_one_holder_s_until_it_is_given_back_or_runs_out(database: Database) -> None:
    first = taken(acquire(database, "a"))
    assert acquire(database, "b") is None
    assert acquire(database, "a") is None, "nobody gets it twice"
    with database.write() as connection:
        assert leases.holder(connection, "work") == "a"
        leases.release(connection, first)
        assert leases.holder(connection, "work") is None
    second = taken(acquire(database, "b", seconds=0.0))
    third = taken(acquire(database, "c"))
    assert first.token < second.token < third.token
    assert acquire(database, "d", name="other work") is not None


def test_of_two_coordinators_at_once_exactly_one_starts_a_job_in_each_try(database: Database) -> None:
    databases = [Database(database.url) for _ in range(CONTENDERS)]
    with ThreadPoolExecutor(CONTENDERS) as threads:
        for _ in range(TRIES):
            gate = threading.Barrier(CONTENDERS)
            started = [one.result() for one in [threads.submit(claim, each, gate) for each in databases]]
            winners = [job for job in started if job is not None]
            assert len(winners) == 1
            winners[0].succeed({})
    for each in databases:
        each.close()


def claim(database: Database, gate: threading.Barrier) -> RunningJob | None:
    gate.wait(timeout=30)
    try:
        return RunningJob.claim(database, "train_models")
    except Conflict:
        return None


def test_who_lost_the_lease_writes_nothing(database: Database) -> None:
    lost = taken(acquire(database, "a", seconds=0.0))
    assert acquire(database, "b") is not None
    token = working_for.set(lost)
    try:
        with pytest.raises(LeaseLost), database.write() as connection:
            set_weights(connection, {"ease": 1.0}, "too late", NOON)
        with pytest.raises(LeaseLost):
            models.save_model(database, "recommender", "v1", b"model", {})
    finally:
        working_for.reset(token)
    with database.read() as connection:
        assert weights_version(connection) == 0
        assert models.list_versions(connection, "recommender") == []


def test_a_model_of_a_holder_that_loses_its_lease_half_way_is_not_activated(database: Database) -> None:
    models.save_model(database, "recommender", "before", b"model", {})
    mine = taken(acquire(database, "a"))
    token = working_for.set(mine)
    try:
        with pytest.raises(LeaseLost):
            models.save_model_file(database, "recommender", "after", TakenOver(database, mine), {})
    finally:
        working_for.reset(token)
    with database.read() as connection:
        assert models.active_version(connection, "recommender") == "before"


class TakenOver(io.BytesIO):
    """A file during whose second reading another process takes the work over."""

    def __init__(self, database: Database, lease: Lease) -> None:
        super().__init__(b"model" * model_artifacts.CHUNK_BYTES)
        self._database, self._lease = database, lease

    def read(self, size: int | None = -1, /) -> bytes:
        if size == model_artifacts.CHUNK_BYTES and self.tell() == model_artifacts.CHUNK_BYTES:
            with self._database.write() as connection:
                leases.release(connection, self._lease)
        return super().read(size)


def test_the_end_of_a_job_that_was_taken_over_is_not_recorded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as quick_end:
        quick_end.setattr(running_job, "LEASE_SECONDS", 0.0)
        stopped = RunningJob.claim(database, "train_models")
    other = RunningJob.claim(database, "train_models")
    with pytest.raises(LeaseLost):
        stopped.succeed({"version": "of the one that was stopped"})
    other.succeed({"version": "v2"})
    with database.read() as connection:
        first, second = (job_runs.get(connection, each.run.job_id) for each in (stopped, other))
    assert first is not None
    assert second is not None
    assert (first.state, first.error, first.result) == (job_runs.FAILED, job_runs.LOST, {})
    assert (second.state, second.result) == (job_runs.SUCCEEDED, {"version": "v2"})


def test_a_lease_that_ran_out_stays_the_holder_s_until_another_comes(database: Database) -> None:
    lease = taken(acquire(database, "a", seconds=0.0))
    with database.write() as connection:
        leases.require_held(connection, lease)
        assert leases.renew(connection, lease, 60.0)
    assert acquire(database, "b") is None


def test_a_database_that_is_locked_for_longer_than_the_lease_ends_no_job(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_job, "LEASE_SECONDS", 0.2)
    monkeypatch.setattr(running_job, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(running_job, "RETRY_SECONDS", 0.02)
    limits = type(sqlite_database.limits)(lock_seconds=0.05)
    ended = threading.Event()
    with closing(Database(sqlite_database.url, limits)) as impatient:
        job = RunningJob.claim(impatient, "train_models")
        job.keep(ended.set)
        with sqlite_database.write():
            assert not ended.wait(0.6), "three times as long as the lease, twelve times as long as a lock is waited for"
        wait_until(lambda: held_by(sqlite_database) == job.run.job_id)
        job.succeed({})
        job.close()
    assert not ended.is_set()


def test_a_job_hears_that_it_was_taken_over(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_job, "HEARTBEAT_SECONDS", 0.02)
    ended = threading.Event()
    job = RunningJob.claim(database, "train_models")
    with database.write() as connection:
        leases.release(connection, job.lease)
    job.keep(ended.set)
    assert ended.wait(10)
    assert job.lost
    job.close()


def held_by(database: Database) -> str | None:
    with database.read() as connection:
        return leases.holder(connection, "catalog_and_models")
