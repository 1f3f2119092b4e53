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
        rows = ", ".join(f"{each.rows:,} {each.table}" for each in answer.tables)
        out.print(f"model {answer.model_version or 'not trained yet'} · {rows}", highlight=False)
    if not all(each.serving for each in answer.agents):
        raise typer.Exit(EXIT_FAILED)


def _table(answer: pb.GetStatusResponse) -> Table:
    table = Table("agent", "serving", "events behind")
    for each in answer.agents:
        table.add_row(each.agent, "[green]yes[/]" if each.serving else "[red]no[/]", f"{each.behind:,}")
    return table
