"""A job that this process runs: its lease is kept, its row up to date, and nothing is written once it is lost."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from shared.db import job_runs, leases, request_ids
from shared.db.engine import Connection, Database
from shared.db.job_runs import JobRun
from shared.errors import Conflict, NotFound
from shared.job_kinds import LEASES
from shared.lease import Lease
from shared.request_ids import RequestKey
from shared.telemetry import BACKGROUND_ERRORS

LEASE_SECONDS = 30.0
"""A job whose process says nothing for so long is taken over."""
HEARTBEAT_SECONDS = 3.0
RETRY_SECONDS = 0.5
"""After a heartbeat that did not get through: the database may be locked, and the lease is held until another comes."""
log = structlog.get_logger()


class RunningJob:
    """A job from its claim to its end. Safe to use from several threads."""

    def __init__(self, database: Database, run: JobRun, lease: Lease) -> None:
        self.run = run
        self.lease = lease
        self.lost = False
        self.cancel_wanted = False
        self._database = database
        self._stop = threading.Event()
        self._heartbeat: threading.Thread | None = None
        self._end_it: Callable[[], Any] = lambda: None

    @classmethod
    def claim(cls, database: Database, kind: str) -> "RunningJob":
        """Start a job of one of `job_kinds.KINDS`. Raises Conflict while another does the same work, in any process."""
        with database.write() as connection:
            run, lease = _begin(connection, kind)
        return cls(database, run, lease)

    @classmethod
    def claim_once(
        cls, database: Database, kind: str, request: RequestKey | None
    ) -> tuple[JobRun, "RunningJob | None"]:
        """Start a job as `claim` does, or return the run that a repeated `request` started, and None.

        Raises NotFound where that run is no longer kept.
        """
        begun: list[tuple[JobRun, Lease]] = []

        def begin() -> str:
            begun.append(_begin(connection, kind))
            return begun[0][0].job_id

        with database.write() as connection:
            job_id, _ = request_ids.once(connection, request, begin)
            known = job_runs.get(connection, job_id)
        if known is None:
            raise NotFound.of("job", job_id, "job_id")
        return known, cls(database, *begun[0]) if begun else None

    def keep(self, end_it: Callable[[], Any]) -> None:
        """Keep the lease from a thread until `close`; call `end_it` there, once, when the job must end before its end.

        `lost` or `cancel_wanted` says why.
        """
        self._end_it = end_it
        self._heartbeat = threading.Thread(target=self._beat, name=f"job {self.run.kind}", daemon=True)
        self._heartbeat.start()

    def advance(self, stage: str, progress: float) -> None:
        """Say what the job does now and how far it is, 0 to 1. Raises LeaseLost."""
        with self._holding() as connection:
            job_runs.advance(connection, self.run.job_id, stage, progress)

    def succeed(self, result: dict[str, Any]) -> None:
        """Record the success and give the lease back. Raises LeaseLost."""
        self._end(lambda connection: job_runs.succeed(connection, self.run.job_id, result))

    def fail(self, error: str) -> None:
        """Record the failure and give the lease back. Raises LeaseLost."""
        self._end(lambda connection: job_runs.fail(connection, self.run.job_id, error))

    def cancel(self) -> None:
        """Record that the job was ended on demand and give the lease back. Raises LeaseLost."""
        self._end(lambda connection: job_runs.cancel(connection, self.run.job_id))

    def end_soon(self) -> None:
        """End the job on demand: `end_it` is called now."""
        self.cancel_wanted = True
        self._end_it()

    def close(self) -> None:
        """Stop keeping the lease. Safe to repeat."""
        self._stop.set()
        if self._heartbeat is not None and self._heartbeat is not threading.current_thread():
            self._heartbeat.join()

    def _end(self, change: Callable[[Connection], None]) -> None:
        with self._holding() as connection:
            change(connection)
            leases.release(connection, self.lease)

    @contextmanager
    def _holding(self) -> Iterator[Connection]:
        with self._database.write() as connection:
            leases.require_held(connection, self.lease)
            yield connection

    def _beat(self) -> None:
        pause = HEARTBEAT_SECONDS
        while not self._stop.wait(pause):
            try:
                ended = self._beat_once()
                pause = HEARTBEAT_SECONDS
            except Exception:  # the lease is held until another takes it, however long the database is away
                log.warning("a heartbeat did not get through", job=self.run.job_id, kind=self.run.kind, exc_info=True)
                BACKGROUND_ERRORS.labels("job", "heartbeat").inc()
                ended, pause = False, RETRY_SECONDS
            if ended and not self._stop.is_set():
                self._end_it()
                return

    def _beat_once(self) -> bool:
        """Renew the lease and return whether the job must end."""
        with self._database.write() as connection:
            self.lost = not leases.renew(connection, self.lease, LEASE_SECONDS)
            self.cancel_wanted = job_runs.beat(connection, self.run.job_id) or self.cancel_wanted
        return self.lost or self.cancel_wanted


def _begin(connection: Connection, kind: str) -> tuple[JobRun, Lease]:
    """Take the lease of a kind and record the start of a job. Raises Conflict."""
    job_id = uuid.uuid4().hex
    job_runs.fail_lost(connection)
    lease = leases.acquire(connection, LEASES[kind], job_id, LEASE_SECONDS)
    if lease is None:
        raise _conflict(connection, kind)
    return job_runs.start(connection, job_id, kind, lease), lease


def _conflict(connection: Connection, kind: str) -> Conflict:
    other = job_runs.get(connection, leases.holder(connection, LEASES[kind]) or "")
    if other is None:
        return Conflict(f"{kind} cannot start: another process does the same work")
    return Conflict(f"{other.kind} is running already as job {other.job_id}", metadata={"job": other.kind})
