"""Reads the facts that the rules judge: from the agents, the database and the files of certificates."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from quintet.type.v1.experiment_pb2 import Experiment, ExperimentState

from services.coordinator.agent_clients import FOLLOWED, AgentClients
from services.coordinator.diagnosis.facts import AgentFacts, ExperimentAlarm, Facts, StoredFacts
from services.coordinator.schedule import Schedule
from shared import job_kinds
from shared.certificates import valid_until
from shared.config import AGENTS, Agent, Settings
from shared.db import agent_samples, event_log, failed_events, job_runs, leases, models, unjoined_events
from shared.db.api_keys import read_unrevoked
from shared.db.database_figures import database_figures
from shared.db.engine import Connection, Database
from shared.db.placements import EXPERIMENTS, Stored
from shared.errors import QuintetError
from shared.experiments.actions import ALARMS
from shared.monitoring.live_thresholds import LiveThresholds
from shared.timestamps import to_datetime

RECOMMENDER = "recommender"
RECENT_SAMPLES = 2.5
"""Periods of the monitor in which a process says how it performs; one that has not is gone."""
log = structlog.get_logger()


class Observer:
    """Gives the facts of this moment. `consumers` are the agents that apply the event log, and their cursors."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        agents: AgentClients,
        schedule: Schedule,
        consumers: Mapping[Agent, str],
    ) -> None:
        self._settings = settings
        self._thresholds = LiveThresholds(settings)
        self._database = database
        self._agents = agents
        self._schedule = schedule
        self._consumers = consumers

    async def facts(self) -> Facts:
        """Return what is known now; nothing that is out of reach stops the rest."""
        agents = await asyncio.gather(*(self._agent(name) for name in FOLLOWED))
        certificates = await asyncio.to_thread(certificate_ends, self._settings)
        facts = Facts(
            datetime.now(UTC),
            tuple(agents),
            certificates=certificates,
            train_hours=self._settings.train_hours,
            thresholds=self._thresholds.now(),
        )
        try:
            schedules = tuple(await self._schedule.all())
            followed, stored = await asyncio.to_thread(self._stored, facts.agents)
        except QuintetError as error:
            return replace(facts, database_problem=error.message)
        return replace(facts, agents=followed, stored=replace(stored, schedules=schedules))

    async def _agent(self, name: Agent) -> AgentFacts:
        if await self._agents.serving(name):
            return AgentFacts(name, True)
        return AgentFacts(name, False, await self._agents.failing_checks(name))

    def _stored(self, agents: tuple[AgentFacts, ...]) -> tuple[tuple[AgentFacts, ...], StoredFacts]:
        with self._database.read() as connection:
            followed = self._followed(connection, agents)
            model = models.active_model(connection, RECOMMENDER)
            latest = (job_runs.latest(connection, kind) for kind in job_kinds.KINDS)
            stored = StoredFacts(
                unjoined=unjoined_events.counts(connection).waiting,
                unjoined_since=unjoined_events.waiting_since(connection),
                jobs=tuple(run for run in latest if run is not None),
                leases=tuple(leases.held(connection)),
                samples=tuple(agent_samples.latest(connection, recent_since(self._settings))),
                alarms=alarms_in(EXPERIMENTS.list(connection)),
                model_version="" if model is None else model.version,
                model_time=None if model is None else model.created_at,
            )
        keys = tuple(read_unrevoked(self._database))
        return followed, replace(stored, keys=keys, database=database_figures(self._database))

    def _followed(self, connection: Connection, agents: tuple[AgentFacts, ...]) -> tuple[AgentFacts, ...]:
        """Return the agents with how far each has applied the log and what it set aside."""
        last = event_log.last_sequence(connection)
        failed, since = failed_events.counts(connection), failed_events.first_failures(connection)
        behind = {
            agent: max(0, last - event_log.cursor(connection, consumer)) for agent, consumer in self._consumers.items()
        }
        return tuple(
            replace(
                each,
                behind=next((count for agent, count in behind.items() if agent == each.agent), 0),
                failed=failed.get(each.agent, 0),
                failed_since=since.get(each.agent),
            )
            for each in agents
        )


def alarms_in(stored: Iterable[Stored]) -> tuple[ExperimentAlarm, ...]:
    """Return the alarms that are written in the decisions of experiments that run."""
    every = (Experiment.FromString(each.definition) for each in stored)
    running = (each for each in every if each.state == ExperimentState.EXPERIMENT_STATE_RUNNING)
    return tuple(
        ExperimentAlarm(each.experiment_id, told.action, told.arm_id, to_datetime(told.time))
        for each in running
        for told in each.decisions
        if told.action in ALARMS
    )


def recent_since(settings: Settings) -> datetime:
    """Return the moment since which a process that runs has taken a sample."""
    return datetime.now(UTC) - RECENT_SAMPLES * timedelta(seconds=settings.monitor_seconds)


def certificate_ends(settings: Settings) -> dict[str, datetime]:
    """Return when the certificates end that this machine has, by file; those that cannot be read are left out."""
    named = [settings.tls_cert, settings.tls_client_ca, settings.agents_tls_ca]
    named += [settings.agents_tls_cert.replace("{agent}", agent) for agent in AGENTS]
    ends: dict[str, datetime] = {}
    for path in {each for each in named if each}:
        try:
            ends[path] = valid_until(Path(path).read_bytes())
        except (OSError, ValueError) as error:  # the other agents' are on their machines
            log.debug("certificate: cannot be read", path=path, error=type(error).__name__)
    return ends
