"""`quintet events`: what became of recorded events, and what to do about it."""

from typing import Annotated

import typer
from quintet.coordinator.v1 import event_log_pb2 as pb
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.output import EXIT_FAILED, out, print_json, reported
from shared.config import Settings

REPLAY_TIMEOUT_SECONDS = 120.0

events = typer.Typer(help="Look after recorded events.", no_args_is_help=True)
failed = typer.Typer(help="Events that an agent could not apply to its tables.", no_args_is_help=True)
events.add_typer(failed, name="failed")

Agent = Annotated[str, typer.Option(help="Only of this agent, customer or feedback; default both.")]
Address = Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@events.command("quality")
def quality(address: Address = "", as_json: AsJson = False) -> None:
    """Say what was wrong with the events of the last 24 hours: malformed, unknown, refused, late, repeated.

    Example: `quintet events quality`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.GetEventQuality(pb.GetEventQualityRequest(), timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    table = Table("hour", "kind", "problem", "field", "events", "such as")
    for each in answer.faults:
        hour = each.hour.ToDatetime().isoformat(sep=" ", timespec="minutes")
        table.add_row(hour, each.kind, each.problem, each.field, f"{each.events:,}", ", ".join(each.example_event_ids))
    out.print(table)


@events.command("unjoined")
def list_unjoined(
    limit: Annotated[int, typer.Option(min=1, max=100, help="Print at most this many.")] = 20,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """List the customers, products and orders that events wait for.

    Example: `quintet events unjoined`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ListUnjoinedEvents(pb.ListUnjoinedEventsRequest(limit=limit), timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    table = Table("missing", "id", "events", "such as")
    for each in answer.references:
        kind = pb.ReferenceKind.Name(each.reference.kind).removeprefix("REFERENCE_KIND_").lower()
        table.add_row(kind, each.reference.id, f"{each.events:,}", ", ".join(each.example_event_ids))
    out.print(table)
    out.print(f"{answer.waiting:,} events wait, {answer.expired:,} waited too long", highlight=False)


@events.command("rejoin")
def rejoin(
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Join events now that miss nothing any longer, also those that had waited too long.

    Example: `quintet events rejoin`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.RejoinEvents(pb.RejoinEventsRequest(), timeout=REPLAY_TIMEOUT_SECONDS)
    if as_json:
        print_json({"joined": answer.joined, "waiting": answer.waiting})
    else:
        out.print(f"{answer.joined:,} joined, {answer.waiting:,} wait on", highlight=False)


@failed.command("list")
def list_failed(
    agent: Agent = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Print at most this many.")] = 100,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """List events that could not be applied, with the reason.

    Example: `quintet events failed list --agent customer`
    """
    request = pb.ListFailedEventsRequest(agent=agent, page_size=limit)
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ListFailedEvents(request, timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    table = Table("agent", "sequence", "kind", "reason", "attempts", "last failure")
    for each in answer.events:
        last = each.last_failure_time.ToDatetime().isoformat(sep=" ", timespec="seconds")
        table.add_row(each.agent, str(each.sequence), each.kind, each.reason, str(each.attempts), last)
    out.print(table)


@failed.command("replay")
def replay_failed(
    sequences: Annotated[list[int] | None, typer.Argument(help="Numbers in the log; default all that failed.")] = None,
    agent: Agent = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Have events applied again, up to 1,000 an agent. Exit code 1 when any fails again.

    Example: `quintet events failed replay 4711`
    """
    request = pb.ReplayFailedEventsRequest(agent=agent, sequences=sequences or ())
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ReplayFailedEvents(request, timeout=REPLAY_TIMEOUT_SECONDS)
    if as_json:
        print_json({"applied": answer.applied, "failed": answer.failed})
    else:
        out.print(f"{answer.applied:,} applied, {answer.failed:,} failed again", highlight=False)
    if answer.failed:
        raise typer.Exit(EXIT_FAILED)
