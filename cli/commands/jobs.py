"""`quintet jobs`: list, show, watch and cancel long-running jobs."""

from typing import Annotated, Any

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.job_pb2 import Job, JobState
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.job_results import plain, watched
from cli.output import EXIT_FAILED, out, print_json, reported
from cli.progress import shown_progress
from shared.config import Settings

PREFIX = "JOB_STATE_"
Address = Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
JobId = Annotated[str, typer.Argument(help="The job's id.")]

jobs = typer.Typer(help="Long-running jobs: trainings, refreshes, optimisations, maintenance.", no_args_is_help=True)


@jobs.command("list")
def list_jobs(
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind; may be repeated.")] = None,
    state: Annotated[list[str] | None, typer.Option(help="Only in this state, such as running; repeatable.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many.")] = 20,
    page_token: Annotated[str, typer.Option(help="Token of the next page, which --json shows.")] = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Say which jobs there were, newest first.

    Example: `quintet jobs list --kind train_models --state failed`
    """
    request = pb.ListJobsRequest(
        kinds=kind or [], states=[_state(each) for each in state or []], page_size=limit, page_token=page_token
    )
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ListJobs(request, timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    table = Table("job", "kind", "state", "started", "progress", "stage or error")
    for job in answer.jobs:
        table.add_row(job.job_id, job.kind, _name(job), _started(job), f"{job.progress:.0%}", job.error or job.stage)
    out.print(table)


@jobs.command("show")
def show_job(job_id: JobId, address: Address = "", as_json: AsJson = False) -> None:
    """Say how a job is, or how it ended and what came of it. Exit code 1 for one that failed.

    Example: `quintet jobs show 0f9c2d1e`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        job = stub.GetJob(pb.GetJobRequest(job_id=job_id), timeout=TIMEOUT_SECONDS).job
    _show(job, as_json)


@jobs.command("watch")
def watch_job(job_id: JobId, address: Address = "", as_json: AsJson = False) -> None:
    """Show the progress of a job until it has ended. Exit code 1 for one that failed.

    Example: `quintet jobs watch 0f9c2d1e`
    """
    with (
        reported(),
        coordinator(address or Settings().coordinator_address) as stub,
        shown_progress("watching") as progress,
    ):
        job = watched(stub, job_id, progress)
    _show(job, as_json)


@jobs.command("cancel")
def cancel_job(job_id: JobId, address: Address = "", as_json: AsJson = False) -> None:
    """Ask that a job ends; what was in use before it stays in use.

    Example: `quintet jobs cancel 0f9c2d1e`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        job = stub.CancelJob(pb.CancelJobRequest(job_id=job_id), timeout=TIMEOUT_SECONDS).job
    if as_json:
        print_json(job)
    else:
        out.print(f"{job.kind} {job.job_id}: {_name(job)}, asked to end", highlight=False)


def _show(job: Job, as_json: bool) -> None:
    if as_json:
        print_json(job)
    else:
        out.print(
            f"{job.kind} {job.job_id}: {_name(job)}, {job.progress:.0%} {job.error or job.stage}", highlight=False
        )
        kind = job.WhichOneof("result")
        for name, value in (plain(getattr(job, kind)) if kind else {}).items():
            out.print(f"{name:>28} {_short(value)}", highlight=False, markup=False)
    if job.state == JobState.JOB_STATE_FAILED:
        raise typer.Exit(EXIT_FAILED)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items() if not isinstance(inner, dict | list))
    return str(value)


def _state(name: str) -> JobState.ValueType:
    try:
        return JobState.Value(PREFIX + name.upper())
    except ValueError as error:
        known = ", ".join(each.removeprefix(PREFIX).lower() for each in JobState.keys()[1:])
        raise typer.BadParameter(f"{name} is not a state; they are {known}") from error


def _name(job: Job) -> str:
    return JobState.Name(job.state).removeprefix(PREFIX).lower()


def _started(job: Job) -> str:
    return f"{job.start_time.ToDatetime():%Y-%m-%d %H:%M} UTC"
