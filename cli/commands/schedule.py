"""`quintet schedule`: what the coordinator starts by the clock."""

from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.job_pb2 import JobSchedule
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.output import out, print_json, reported
from shared.config import Settings

HOUR = 3600.0
Address = Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Kind = Annotated[str, typer.Argument(help="Kind of job, such as train_models.")]

schedule = typer.Typer(help="Jobs that are started by the clock.", no_args_is_help=True)


@schedule.command("list")
def list_schedules(address: Address = "", as_json: AsJson = False) -> None:
    """Say when jobs are due.

    Example: `quintet schedule list`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ListSchedules(pb.ListSchedulesRequest(), timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    table = Table("kind", "every", "next", "failures", "last job")
    for each in answer.schedules:
        table.add_row(each.kind, f"{each.period_seconds / HOUR:g} h", _next(each), str(each.failures), each.last_job_id)
    out.print(table)


@schedule.command("pause")
def pause(kind: Kind, address: Address = "", as_json: AsJson = False) -> None:
    """Start no job of a kind by the clock until it is resumed.

    Example: `quintet schedule pause train_models`
    """
    _update(pb.UpdateScheduleRequest(kind=kind, paused=True), address, as_json)


@schedule.command("resume")
def resume(kind: Kind, address: Address = "", as_json: AsJson = False) -> None:
    """Start jobs of a kind by the clock again; one that was missed meanwhile starts at once.

    Example: `quintet schedule resume train_models`
    """
    _update(pb.UpdateScheduleRequest(kind=kind, paused=False), address, as_json)


@schedule.command("every")
def every(
    kind: Kind,
    hours: Annotated[float | None, typer.Argument(min=0.0, help="Hours from start to start; 0 is never.")] = None,
    usual: Annotated[bool, typer.Option("--usual", help="The period of the settings again.")] = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Set how often jobs of a kind are started.

    Example: `quintet schedule every train_models 48`
    """
    if (hours is None) == (not usual):
        raise typer.BadParameter("say hours, or --usual")
    wish = pb.UpdateScheduleRequest(kind=kind, usual_period=True)
    if hours is not None:
        wish = pb.UpdateScheduleRequest(kind=kind, period_seconds=hours * HOUR)
    _update(wish, address, as_json)


@schedule.command("run")
def run(kind: Kind, address: Address = "", as_json: AsJson = False) -> None:
    """Start a job of a kind now.

    Example: `quintet schedule run maintenance`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        job = stub.RunSchedule(pb.RunScheduleRequest(kind=kind), timeout=TIMEOUT_SECONDS).job
    if as_json:
        print_json(job)
    else:
        out.print(f"started: quintet jobs watch {job.job_id}", highlight=False)


def _update(wish: pb.UpdateScheduleRequest, address: str, as_json: bool) -> None:
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        changed = stub.UpdateSchedule(wish, timeout=TIMEOUT_SECONDS).schedule
    if as_json:
        print_json(changed)
    else:
        out.print(f"{changed.kind}: every {changed.period_seconds / HOUR:g} h, next {_next(changed)}", highlight=False)


def _next(schedule: JobSchedule) -> str:
    if schedule.HasField("next_time"):
        return f"{schedule.next_time.ToDatetime():%Y-%m-%d %H:%M} UTC"
    return "paused" if schedule.paused else "never"
