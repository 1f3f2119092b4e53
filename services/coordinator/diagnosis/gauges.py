"""Gauges of what the coordinator sees every minute: the database, models, jobs, schedules, certificates, events."""

from services.coordinator.diagnosis.facts import Facts, StoredFacts
from shared import telemetry


def publish(facts: Facts) -> None:
    """Set the gauges; those of the database keep their last values while it is away."""
    telemetry.CERTIFICATE_ENDS.clear()
    for path, end in facts.certificates.items():
        telemetry.CERTIFICATE_ENDS.labels(path).set(end.timestamp())
    telemetry.DATABASE_ANSWERS.set(facts.stored is not None)
    for agent in facts.agents:
        telemetry.AGENT_SERVING.labels(agent.agent).set(agent.serving)
    if facts.stored is not None:
        for agent in facts.agents:
            telemetry.FAILED_EVENTS.labels(agent.agent).set(agent.failed)
            telemetry.LOG_BEHIND.labels(agent.agent).set(agent.behind)
        _publish_stored(facts.stored)


def _publish_stored(stored: StoredFacts) -> None:
    figures = stored.database
    telemetry.DATABASE_DISK_FREE.set(figures.disk_free_bytes)
    telemetry.DATABASE_DISK.set(figures.disk_bytes)
    telemetry.DATABASE_SIZE.set(figures.size_bytes)
    telemetry.DATABASE_WAL.set(figures.wal_bytes)
    telemetry.DATABASE_SERVER_CONNECTIONS.set(figures.connections)
    telemetry.MODEL_TRAINED.set(0 if stored.model_time is None else stored.model_time.timestamp())
    telemetry.JOB_STATE.clear()
    for job in stored.jobs:
        since = job.ended_at or job.started_at
        telemetry.JOB_STATE.labels(job.kind, job.state.lower()).set(since.timestamp())
    telemetry.JOB_DUE.clear()
    for schedule in stored.schedules:
        if schedule.period and not schedule.paused:
            telemetry.JOB_DUE.labels(schedule.kind).set(schedule.next_at.timestamp())
