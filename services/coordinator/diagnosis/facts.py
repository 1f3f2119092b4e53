"""What the rules judge: facts about agents, events, jobs, the database, certificates, keys and models."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.api_keys import ApiKey
from shared.db.agent_samples import StoredSample
from shared.db.database_figures import DatabaseFigures
from shared.db.job_runs import JobRun
from shared.db.leases import HeldLease
from shared.db.schedules import JobSchedule
from shared.monitoring.thresholds import Thresholds


@dataclass(frozen=True)
class AgentFacts:
    """An agent: whether it serves, the names of its checks that fail, events it has yet to apply or set aside.

    `failed_since` is when the first of the events failed that are set aside.
    """

    agent: str
    serving: bool
    failing: tuple[str, ...] = ()
    behind: int = 0
    failed: int = 0
    failed_since: datetime | None = None


@dataclass(frozen=True)
class ExperimentAlarm:
    """An alarm of an experiment that runs, one of `shared.experiments.actions`; `arm_id` may be empty."""

    experiment_id: str
    alarm: str
    arm_id: str
    since: datetime


@dataclass(frozen=True)
class StoredFacts:
    """What the database says. `unjoined_since` is when the first event that waits arrived.

    `jobs` are the last of each kind, `samples` the last of each agent's processes.
    """

    unjoined: int = 0
    unjoined_since: datetime | None = None
    schedules: tuple[JobSchedule, ...] = ()
    jobs: tuple[JobRun, ...] = ()
    leases: tuple[HeldLease, ...] = ()
    samples: tuple[StoredSample, ...] = ()
    keys: tuple[ApiKey, ...] = ()
    alarms: tuple[ExperimentAlarm, ...] = ()
    model_version: str = ""
    model_time: datetime | None = None
    database: DatabaseFigures = field(default_factory=DatabaseFigures)


@dataclass(frozen=True)
class Facts:
    """All that is known at `now`.

    Attributes
    ----------
    stored : StoredFacts or None
        None while the database does not answer; `database_problem` says why.
    certificates : mapping of str to datetime
        The end of each certificate by its file.
    train_hours : float
        Hours between trainings; 0 is never.
    """

    now: datetime
    agents: tuple[AgentFacts, ...] = ()
    stored: StoredFacts | None = None
    database_problem: str = ""
    certificates: Mapping[str, datetime] = field(default_factory=dict)
    train_hours: float = 0.0
    thresholds: Thresholds = field(default_factory=Thresholds)
