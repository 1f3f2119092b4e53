"""`quintet doctor`: what is wrong, since when, and what to do."""

from typing import Annotated

import typer
from quintet.coordinator.v1 import operations_pb2 as pb
from rich.markup import escape

from cli.client import coordinator
from cli.output import EXIT_FAILED, out, print_json, reported
from shared.config import Settings

LOOK_SECONDS = 30.0
"""Agents that are away are waited for, and the database is measured."""
COLOURS = {pb.FINDING_SEVERITY_ERROR: "red", pb.FINDING_SEVERITY_WARNING: "yellow"}


def doctor(
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what is wrong with the installation, since when, and what to do. Exit code 1 when something is.

    Example: `quintet doctor --json`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.GetDiagnosis(pb.GetDiagnosisRequest(), timeout=LOOK_SECONDS)
    if as_json:
        print_json(answer)
    else:
        _show(answer)
    if answer.findings:
        raise typer.Exit(EXIT_FAILED)


def _show(answer: pb.GetDiagnosisResponse) -> None:
    if not answer.findings:
        out.print("[green]nothing is wrong[/]")
    for each in answer.findings:
        severity = pb.FindingSeverity.Name(each.severity).removeprefix("FINDING_SEVERITY_").lower()
        since = f", since {each.since_time.ToDatetime():%Y-%m-%d %H:%M} UTC" if each.HasField("since_time") else ""
        heading = f"[{COLOURS.get(each.severity, 'white')}]{severity}[/] [bold]{each.code}[/]"
        out.print(f"{heading} · {escape(each.subject)}{since}", highlight=False)
        for line in (each.problem, each.next_step, each.runbook):
            out.print(f"    {line}", highlight=False, markup=False)
