"""`quintet export`: all data about a customer."""

import json
from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from cli.client import coordinator
from cli.output import err, print_json, reported
from shared.config import Settings


def export(
    customer: Annotated[str, typer.Argument(help="Customer id.")],
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, which it prints anyway.")] = True,
) -> None:
    """Print every row that Quintet holds about a customer, as JSON lines `{"table": …, "row": …}`.

    Example: `quintet export 1001 > customer-1001.jsonl`
    """
    count = 0
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        for row in stub.ExportCustomer(pb.ExportCustomerRequest(customer_id=customer)):
            print_json({"table": row.table, "row": json.loads(row.row_json)})
            count += 1
    err.print(f"{count} rows", highlight=False)
