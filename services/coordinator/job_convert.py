"""Messages of jobs and schedules from plain values."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from quintet.type.v1.job_pb2 import Job, JobSchedule, JobState

from shared import job_kinds
from shared.db import job_runs, schedules
from shared.db.job_runs import JobRun
from shared.timestamps import to_timestamp


def to_job(run: JobRun) -> Job:
    """Return a job run as a message."""
    job = Job(
        job_id=run.job_id,
        kind=run.kind,
        state=JobState.Value(f"JOB_STATE_{run.state}"),
        stage=run.stage,
        progress=run.progress,
        start_time=to_timestamp(run.started_at),
        error=run.error,
    )
    if run.ended_at is not None:
        job.end_time.CopyFrom(to_timestamp(run.ended_at))
    if run.cancel_requested_at is not None:
        job.cancel_request_time.CopyFrom(to_timestamp(run.cancel_requested_at))
    if run.state == job_runs.SUCCEEDED:
        _set_result(job, run.result)
    return job


def to_schedule(schedule: schedules.JobSchedule) -> JobSchedule:
    """Return a schedule as a message."""
    message = JobSchedule(
        kind=schedule.kind,
        period_seconds=schedule.period.total_seconds(),
        paused=schedule.paused,
        failures=schedule.failures,
        last_job_id=schedule.job_id or "",
    )
    if schedule.period > timedelta(0) and not schedule.paused:
        message.next_time.CopyFrom(to_timestamp(schedule.next_at))
    return message


def _set_result(job: Job, result: dict[str, Any]) -> None:
    """Set the result of a job's kind; facts that the contract does not name are left out."""
    prepare: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
        job_kinds.TRAIN: _training,
        job_kinds.OPTIMIZE: _optimisation,
    }
    message: Message = getattr(job, job.kind)
    message.SetInParent()
    facts = prepare[job.kind](result) if job.kind in prepare else result
    ParseDict(facts, message, ignore_unknown_fields=True)


def _training(result: dict[str, Any]) -> dict[str, Any]:
    models = dict(result.get("models", {}))
    if not models:
        return result
    models["algorithms"] = sorted(models.get("params", {}))
    models["evaluation"] = {name: _evaluation(facts) for name, facts in models.get("evaluation", {}).items()}
    return {**result, "models": models}


def _evaluation(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a context with its metrics apart; an interval becomes three of them."""
    measured = {name: value for name, value in facts.items() if "." in name}
    metrics = {name: value for name, value in measured.items() if not isinstance(value, list)}
    for name, (mean, low, high) in ((name, value) for name, value in measured.items() if isinstance(value, list)):
        metrics |= {name: mean, f"{name}.low": low, f"{name}.high": high}
    return {**{name: value for name, value in facts.items() if name not in measured}, "metrics": metrics}


def _optimisation(result: dict[str, Any]) -> dict[str, Any]:
    """Return the facts with the weights as a list, largest first."""
    weights = sorted(result.get("weights", {}).items(), key=lambda each: (-each[1], each[0]))
    return {**result, "weights": [{"algorithm": name, "weight": weight} for name, weight in weights]}
