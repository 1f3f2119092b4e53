"""What operations people do with the event log: see what waits or failed, and have it applied."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb

from services.coordinator.agent_clients import AgentClients
from services.coordinator.event_joiner import EventJoiner
from services.coordinator.jobs import Jobs
from services.coordinator.projection_steps import purge_events, rebuild_projection
from shared import job_kinds
from shared.config import Settings
from shared.db import event_quality, failed_events, unjoined_events
from shared.db.engine import Database
from shared.db.event_filter import EventFilter
from shared.db.event_quality import FaultCount
from shared.db.failed_events import FailedEvent
from shared.db.job_runs import JobRun
from shared.db.unjoined_events import MostMissing, Period, UnjoinedCounts
from shared.events.failed import APPLYING, MOST_SEQUENCES
from shared.request_ids import RequestKey

REPLAY_TIMEOUT_SECONDS = 60.0
MOST_FAULTS = 1_000


class EventOperations:
    """Reads and changes what the event log and its projections keep beside the events themselves."""

    def __init__(
        self, settings: Settings, database: Database, agents: AgentClients, joiner: EventJoiner, jobs: Jobs
    ) -> None:
        self._settings = settings
        self._joiner = joiner
        self._jobs = jobs
        self._database = database
        self._agents = agents

    def failed(self, agent: str, after: tuple[int, str], limit: int) -> list[FailedEvent]:
        """Return up to `limit` events that one agent, or any, has set aside, from after a number and an agent on."""
        with self._database.read() as connection:
            return failed_events.read(connection, agent, after, limit)

    async def replay(self, agent: str, sequences: Sequence[int]) -> tuple[int, int]:
        """Have one agent, or all, apply events again; return how many were applied and how many failed again."""
        applied = failed = 0
        for name in (agent,) if agent else APPLYING:
            wanted = sequences or await asyncio.to_thread(self._first_failed, name)
            if wanted:
                answer = await self._replay(name, wanted)
                applied, failed = applied + answer.applied, failed + answer.failed
        return applied, failed

    def faults(self, start: datetime, end: datetime) -> list[FaultCount]:
        """Return what was wrong with events that arrived in the hours of a period, at most 1,000 counts."""
        with self._database.read() as connection:
            return event_quality.read(connection, start, end, MOST_FAULTS)

    def unjoined(self, limit: int) -> tuple[list[MostMissing], UnjoinedCounts]:
        """Return what most kept events wait for, at most `limit` things, and how many events are kept."""
        with self._database.read() as connection:
            return unjoined_events.most_missing(connection, limit), unjoined_events.counts(connection)

    def rejoin(self, period: Period, until: float | None) -> tuple[int, int]:
        """Join kept events that miss nothing any longer, until a moment on the monotonic clock.

        Returns how many were joined, and how many wait on.
        """
        joined = self._joiner.rejoin(period, until)
        with self._database.read() as connection:
            return joined, unjoined_events.counts(connection).waiting

    async def purge(self, wanted: EventFilter, request: RequestKey | None, *, dry_run: bool) -> JobRun:
        """Start a job that deletes events, or says which it would. Raises Conflict while such a job runs."""
        steps = partial(purge_events, self._settings, self._agents, wanted, dry_run=dry_run)
        return await self._jobs.start(job_kinds.PURGE, steps, request)

    async def rebuild(self, agent: str, request: RequestKey | None) -> JobRun:
        """Start a job that makes the tables of an agent anew. Raises Conflict while such a job runs."""
        steps = partial(rebuild_projection, self._settings, self._agents, agent)
        return await self._jobs.start(job_kinds.REBUILD, steps, request)

    def _first_failed(self, agent: str) -> list[int]:
        with self._database.read() as connection:
            return [each.sequence for each in failed_events.read(connection, agent, limit=MOST_SEQUENCES)]

    async def _replay(self, agent: str, sequences: Sequence[int]) -> Any:
        if agent == "customer":
            wanted = customer_pb.ReplayFailedEventsRequest(sequences=sequences)
            return await self._agents.call(self._agents.customer.ReplayFailedEvents, wanted, REPLAY_TIMEOUT_SECONDS)
        asked = feedback_pb.ReplayFailedEventsRequest(sequences=sequences)
        return await self._agents.call(self._agents.feedback.ReplayFailedEvents, asked, REPLAY_TIMEOUT_SECONDS)
