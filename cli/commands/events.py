"""`quintet events`: what became of recorded events, and what to do about it."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import event_log_pb2 as pb
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.job_results import run_remote
from cli.output import EXIT_FAILED, out, print_json, reported
from cli.progress import shown_progress
from shared.config import Settings
from shared.timestamps import to_timestamp

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


@events.command("purge")
def purge(
    kind: Annotated[list[str] | None, typer.Option(help="Only of this kind, such as product_view; repeatable.")] = None,
    since: Annotated[datetime | None, typer.Option(help="Only from this time on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Only before this time, UTC.")] = None,
    customer: Annotated[str, typer.Option(help="Only of this customer.")] = "",
    visitor: Annotated[str, typer.Option(help="Only of this visitor.")] = "",
    product: Annotated[str, typer.Option(help="Only those that name this product.")] = "",
    attribute: Annotated[list[str] | None, typer.Option(help="Only with this name=value; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    request_id: Annotated[str, typer.Option(help="Id of the request; repeated with it, it is done once.")] = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Delete events that should never have been recorded, and make anew what was made of them.

    Example: `quintet events purge --kind product_view --attribute source=beta --dry-run`
    """
    wanted = pb.EventFilter(
        kinds=kind or (),
        customer_id=customer,
        visitor_id=visitor,
        product_id=product,
        attributes=dict(_attribute(each) for each in attribute or ()),
        start_time=_moment(since),
        end_time=_moment(until),
    )
    if not (dry_run or yes):
        typer.confirm("Delete these events for good?", abort=True)
    request = pb.PurgeEventsRequest(filter=wanted, dry_run=dry_run, request_id=request_id)
    with reported(), shown_progress("purging") as show:
        at = address or Settings().coordinator_address
        result = run_remote(at, lambda stub: stub.PurgeEvents(request, timeout=TIMEOUT_SECONDS).job, show)
    if as_json:
        print_json(result)
    else:
        _print_purge(result)


def _moment(given: datetime | None) -> Timestamp | None:
    return None if given is None else to_timestamp(given.replace(tzinfo=given.tzinfo or UTC))


def _attribute(given: str) -> tuple[str, str]:
    name, equals, value = given.partition("=")
    if not equals:
        raise typer.BadParameter(f"{given} is not of the form name=value")
    return name, value


def _print_purge(result: dict[str, Any]) -> None:
    table = Table("kind", "events", "such as")
    for each in result["kinds"]:
        table.add_row(each["kind"], f"{each['events']:,}", ", ".join(each["example_event_ids"]))
    out.print(table)
    done = "would be deleted" if result["dry_run"] else "deleted"
    out.print(f"{result['events']:,} events of {result['shoppers']:,} shoppers {done}", highlight=False)


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
