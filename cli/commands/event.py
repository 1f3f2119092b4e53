"""`quintet event`: record one event."""

from typing import Annotated

import typer
from google.protobuf.json_format import Parse, ParseError
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.event_pb2 import Event

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.lists import how_made, recommendation_table
from cli.output import EXIT_USAGE, fail, out, print_json, reported
from shared.config import Settings


def event(
    event_json: Annotated[
        str, typer.Argument(metavar="EVENT", help="The event as the contract's JSON; `-` reads standard input.")
    ],
    recommend: Annotated[int, typer.Option(min=0, max=100, help="Print this many fresh recommendations.")] = 0,
    validate_only: Annotated[bool, typer.Option("--validate-only", help="Check it only; record nothing.")] = False,
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Record an event and, when asked, print the recommendations that answer it.

    Example: `quintet event '{"customer_id": "1001", "product_view": {"product_id": "1029743"}}' --recommend 5`
    """
    text = typer.get_text_stream("stdin").read() if event_json == "-" else event_json
    try:
        request = pb.RecordEventRequest(event=Parse(text, Event()), validate_only=validate_only)
    except ParseError as error:
        fail(f"EVENT is not an event: {error}", EXIT_USAGE)
    if recommend:
        request.recommend.limit = recommend
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.RecordEvent(request, timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    said = "checked" if validate_only else "recorded before" if answer.duplicate else "recorded"
    out.print(f"{said}: event {answer.event_id}, session {answer.session_id or '–'}", highlight=False)
    if recommend and not validate_only:
        out.print(recommendation_table(answer.recommendations))
        out.print(how_made(answer.recommendations), highlight=False)
