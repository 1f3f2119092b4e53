"""Findings: what is wrong, how bad, since when, and what to do."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

RUNBOOK = "docs/operations.md"


class Severity(Enum):
    """How bad a finding is, the worst first."""

    ERROR = 2
    """Shoppers or operators feel it now, or data is at risk."""
    WARNING = 1
    """It will become an error, or takes from the quality of what is shown."""


class Code(StrEnum):
    """Kinds of findings. Each has a section in the runbook of the same name."""

    AGENT_NOT_READY = "agent_not_ready"
    EVENTS_BEHIND = "events_behind"
    EVENTS_FAILED = "events_failed"
    EVENTS_UNJOINED = "events_unjoined"
    SCHEDULE_OVERDUE = "schedule_overdue"
    JOB_FAILED = "job_failed"
    JOB_STUCK = "job_stuck"
    LEASE_STUCK = "lease_stuck"
    DATABASE_AWAY = "database_away"
    DISK_LOW = "disk_low"
    WAL_LARGE = "wal_large"
    DATABASE_SETTING = "database_setting"
    CERTIFICATE_ENDS = "certificate_ends"
    KEY_EXPIRES = "key_expires"
    KEY_UNUSED = "key_unused"
    MODEL_MISSING = "model_missing"
    MODEL_OLD = "model_old"
    EXPERIMENT_ALARM = "experiment_alarm"
    CLOCK_DIFFERS = "clock_differs"
    ANSWERS_SLOW = "answers_slow"
    CALLS_FAILING = "calls_failing"
    MEMORY_HIGH = "memory_high"
    CPU_HIGH = "cpu_high"
    FALLBACKS_MANY = "fallbacks_many"
    ANSWERS_EMPTY = "answers_empty"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with `subject` (an agent, a job's kind, a file, a key's id).

    `since` is None where nobody knows; `problem` and `next_step` are sentences.
    """

    code: Code
    severity: Severity
    subject: str
    problem: str
    next_step: str
    since: datetime | None = None

    @property
    def runbook(self) -> str:
        """Where the runbook tells more: a file of the project and a section in it."""
        return f"{RUNBOOK}#{self.code.replace('_', '-')}"


def ordered(findings: list[Finding]) -> list[Finding]:
    """Return findings with the worst first, then by kind and subject."""
    return sorted(findings, key=lambda each: (-each.severity.value, each.code, each.subject))
