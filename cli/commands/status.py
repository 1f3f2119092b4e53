"""`quintet status`: how the agents are."""

from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.output import EXIT_FAILED, out, print_json, reported
from shared.config import Settings


def status(
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say which agents serve, how far they follow the events, and the model in use. Exit code 1 unless all serve.

    Example: `quintet status --json`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.GetStatus(pb.GetStatusRequest(), timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
    else:
        out.print(_table(answer))
        if answer.performance:
            out.print(_performance(answer))
        if answer.unjoined_events:
            out.print(f"{answer.unjoined_events:,} events wait for what they name: `quintet events unjoined`")
        rows = ", ".join(f"{each.rows:,} {each.table}" for each in answer.tables)
        out.print(f"model {answer.model_version or 'not trained yet'} · {rows}", highlight=False)
    if not all(each.serving for each in answer.agents):
        raise typer.Exit(EXIT_FAILED)


def _table(answer: pb.GetStatusResponse) -> Table:
    table = Table("agent", "serving", "events behind", "events failed")
    for each in answer.agents:
        serving = "[green]yes[/]" if each.serving else "[red]no[/]"
        table.add_row(each.agent, serving, f"{each.behind:,}", f"{each.failed_events:,}")
    return table


def _performance(answer: pb.GetStatusResponse) -> Table:
    table = Table("process", "calls", "failed", "p50 ms", "p99 ms", "cores", "MiB", "answers", "fallbacks", "empty")
    for each in answer.performance:
        times = (f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}", f"{each.cpu_cores:.2f}", f"{each.memory_mb:,.0f}")
        lists = (f"{each.answers:,}", f"{each.fallbacks:,}", f"{each.empty:,}")
        table.add_row(f"{each.agent} {each.instance}", f"{each.calls:,}", f"{each.failed:,}", *times, *lists)
    return table
