"""The rules: from facts to findings. Pure functions, one for each kind of trouble."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from services.coordinator.diagnosis.facts import AgentFacts, Facts, StoredFacts
from services.coordinator.diagnosis.findings import Code, Finding, Severity, ordered
from services.coordinator.diagnosis.performance import clocks, performance
from shared.db import job_runs
from shared.experiments.actions import GUARDRAIL_BROKEN

MOST_BEHIND, FAR_BEHIND = 1_000, 100_000
MOST_UNJOINED = 1_000
OVERDUE = timedelta(minutes=10)
QUIET_JOB = timedelta(minutes=2)
"""A job says every few seconds that it lives."""
EXPIRED_LEASE = timedelta(minutes=5)
LEAST_FREE_SHARE, LEAST_FREE_BYTES = 0.1, 2 * 1024**3
LITTLE_FREE_SHARE = 0.03
LARGE_WAL_BYTES = 1024**3
CERTIFICATE_SOON, CERTIFICATE_NOW = timedelta(days=30), timedelta(days=7)
KEY_SOON, KEY_NEVER_USED = timedelta(days=14), timedelta(days=30)
OLD_MODEL_PERIODS = 2.0
GIB = 1024**3


def diagnose(facts: Facts) -> list[Finding]:
    """Return what is wrong, the worst first."""
    found = [finding for agent in facts.agents for finding in _of_agent(agent)]
    found += _certificates(facts)
    if facts.stored is None:
        problem = f"The database does not answer: {facts.database_problem}."
        step = "Start it, or give it room and connections; all comes back by itself then."
        return ordered([*found, Finding(Code.DATABASE_AWAY, Severity.ERROR, "database", problem, step)])
    for rule in _RULES:
        found += rule(facts.stored, facts)
    return ordered(found)


def _of_agent(agent: AgentFacts) -> Iterator[Finding]:
    if not agent.serving:
        why = f"its check of {' and '.join(agent.failing)} fails" if agent.failing else "it does not answer"
        step = f"Look for `not ready` in the log of the {agent.agent} agent; start it where it does not run."
        yield Finding(Code.AGENT_NOT_READY, Severity.ERROR, agent.agent, f"The agent is not ready: {why}.", step)
    if agent.behind > MOST_BEHIND:
        severity = Severity.ERROR if agent.behind > FAR_BEHIND else Severity.WARNING
        problem = f"The agent has yet to apply {agent.behind:,} events."
        step = "Wait if the number falls; otherwise look for errors in its log and for a slow disk."
        yield Finding(Code.EVENTS_BEHIND, severity, agent.agent, problem, step)
    if agent.failed:
        problem = f"The agent could not apply {agent.failed:,} events and set them aside."
        step = "See why with `quintet events failed list`; `quintet events failed replay` applies them."
        yield Finding(Code.EVENTS_FAILED, Severity.WARNING, agent.agent, problem, step, agent.failed_since)


def _unjoined(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    if stored.unjoined > MOST_UNJOINED:
        problem = f"{stored.unjoined:,} events wait for a customer, product or order that they name."
        step = "See with `quintet events unjoined` what most wait for, and send it: they are joined by themselves."
        yield Finding(Code.EVENTS_UNJOINED, Severity.WARNING, "events", problem, step, stored.unjoined_since)


def _schedules(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    running = {job.kind for job in stored.jobs if job.state == job_runs.RUNNING}
    for each in stored.schedules:
        if each.is_due(facts.now - OVERDUE) and each.kind not in running:
            problem = "The job was due and did not start."
            step = f"Start it with `quintet schedule run {each.kind}` and read what that answers."
            yield Finding(Code.SCHEDULE_OVERDUE, Severity.WARNING, each.kind, problem, step, each.next_at)


def _jobs(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    for job in stored.jobs:
        if job.state == job_runs.FAILED:
            problem = f"The last job of this kind failed: {job.error}"
            step = f"See `quintet jobs show {job.job_id}`; `quintet schedule run {job.kind}` starts another."
            yield Finding(Code.JOB_FAILED, Severity.WARNING, job.kind, problem, step, job.ended_at)
        elif job.state == job_runs.RUNNING and facts.now - job.heartbeat_at > QUIET_JOB:
            problem = f"The job {job.job_id} has said nothing for longer than two minutes."
            step = f"Cancel it with `quintet jobs cancel {job.job_id}`; look at what its process waits for."
            yield Finding(Code.JOB_STUCK, Severity.WARNING, job.kind, problem, step, job.heartbeat_at)


def _leases(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    for lease in stored.leases:
        if facts.now - lease.expires_at > EXPIRED_LEASE:
            problem = "The process that held this work let its turn run out, and no other took it over."
            step = "Check that a coordinator runs and writes to the database; it takes the work over by itself."
            yield Finding(Code.LEASE_STUCK, Severity.WARNING, lease.name, problem, step, lease.expires_at)


def _database(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    figures = stored.database
    if figures.disk_bytes:
        yield from _disk(figures.disk_free_bytes, figures.disk_bytes)
    if figures.wal_bytes > LARGE_WAL_BYTES:
        problem = f"The write-ahead log takes {figures.wal_bytes / GIB:.1f} GiB."
        step = "Look for a transaction, a backup or a replica that holds it back, and end that."
        yield Finding(Code.WAL_LARGE, Severity.WARNING, "database", problem, step)
    for name, value in sorted(figures.unsafe_settings.items()):
        problem = f"The server's setting {name} is {value}: a crash may lose what was acknowledged, or damage the data."
        step = f"Set {name} to on in the configuration of PostgreSQL and reload it."
        yield Finding(Code.DATABASE_SETTING, Severity.ERROR, name, problem, step)


def _disk(free: int, size: int) -> Iterator[Finding]:
    share = free / size
    if share < LEAST_FREE_SHARE and free < size and (share < LITTLE_FREE_SHARE or free < 10 * LEAST_FREE_BYTES):
        severity = Severity.ERROR if share < LITTLE_FREE_SHARE or free < LEAST_FREE_BYTES else Severity.WARNING
        problem = f"{free / GIB:.1f} GiB of the database's disk are free, {share:.0%}."
        step = "Make room or a larger disk; shorten the QUINTET_*_RETENTION_DAYS and run maintenance."
        yield Finding(Code.DISK_LOW, severity, "disk", problem, step)


def _certificates(facts: Facts) -> Iterator[Finding]:
    for path, end in sorted(facts.certificates.items()):
        left = end - facts.now
        if left < CERTIFICATE_SOON:
            severity = Severity.ERROR if left < CERTIFICATE_NOW else Severity.WARNING
            problem = f"The certificate {'has ended' if left < timedelta(0) else 'ends'} at {_moment(end)}."
            step = "Put a renewed one in its place: servers take it over without a restart."
            yield Finding(Code.CERTIFICATE_ENDS, severity, path, problem, step)


def _keys(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    for key in stored.keys:
        if key.expires_at is not None and timedelta(0) < key.expires_at - facts.now < KEY_SOON:
            problem = f"The {key.role.value} key expires at {_moment(key.expires_at)}."
            step = "Make another with `quintet keys rotate`, and give it to who uses this one."
            yield Finding(Code.KEY_EXPIRES, Severity.WARNING, key.key_id, problem, step)
        elif key.live(facts.now) and key.last_used_at is None and facts.now - key.created_at > KEY_NEVER_USED:
            problem = f"The {key.role.value} key was never used."
            step = f"Revoke it with `quintet keys revoke {key.key_id}` if nobody needs it."
            yield Finding(Code.KEY_UNUSED, Severity.WARNING, key.key_id, problem, step, key.created_at)


def _models(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    if stored.model_time is None:
        problem = "No model was trained yet: pages show best-sellers."
        step = "Import products and events, then train with `quintet train`."
        yield Finding(Code.MODEL_MISSING, Severity.WARNING, "recommender", problem, step)
        return
    oldest = timedelta(hours=OLD_MODEL_PERIODS * facts.train_hours)
    if facts.train_hours and facts.now - stored.model_time > oldest:
        days = (facts.now - stored.model_time) / timedelta(days=1)
        problem = (
            f"The model in use was trained {days:.0f} days ago; a training is due every {facts.train_hours:g} hours."
        )
        step = "See `quintet schedule list` and the last train_models of `quintet jobs list`."
        yield Finding(Code.MODEL_OLD, Severity.WARNING, stored.model_version, problem, step, stored.model_time)


def _experiments(stored: StoredFacts, facts: Facts) -> Iterator[Finding]:
    for each in stored.alarms:
        problem = (
            f"Arm {each.arm_id} breaks a guardrail beyond doubt."
            if each.alarm == GUARDRAIL_BROKEN
            else "Its arms do not have the shares of units that were planned: no figure of it is to be trusted."
        )
        step = f"See `quintet experiment show {each.experiment_id}`, and stop it or mend what loses units."
        yield Finding(Code.EXPERIMENT_ALARM, Severity.WARNING, each.experiment_id, problem, step, each.since)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


_RULES: tuple[Callable[[StoredFacts, Facts], Iterator[Finding]], ...] = (
    _unjoined,
    _schedules,
    _jobs,
    _leases,
    _database,
    _keys,
    _models,
    _experiments,
    performance,
    clocks,
)
