"""`quintet placements`: what is shown where, kept in a file and applied."""

from pathlib import Path
from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import Placement
from rich.markup import escape
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.definition_files import read_definitions, write_definitions
from cli.merchandising import Plan, bare, print_deleted, print_exported, print_messages, read_pages
from cli.output import out, reported
from shared.config import Settings
from shared.merchandising.convert import to_placement

placements = typer.Typer(
    help="Placements: what is shown where; see docs/placements.md. Example: `quintet placements apply placements.yaml`",
    no_args_is_help=True,
)
Address = Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]


@placements.command("list")
def list_placements(address: Address = "", as_json: AsJson = False) -> None:
    """Print the placements, those that are built in included.

    Example: `quintet placements list`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        found = _all_placements(stub)
    if as_json:
        print_messages("placements", found)
        return
    table = Table("placement", "page", "strategy", "count", "filter", "")
    for each in found:
        page = PageType.Name(each.page_type or PageType.PAGE_TYPE_HOME).removeprefix("PAGE_TYPE_").lower()
        mark = "built in" if each.built_in else ""
        strategy, count = each.strategy or "default", str(each.count or 10)
        table.add_row(each.placement_id, page, strategy, count, escape(each.filter), mark)
    out.print(table)


@placements.command("apply")
def apply_placements(
    file: Annotated[Path, typer.Argument(help="YAML or JSON file with placements.")],
    dry_run: DryRun = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Store the placements of a file: new ones are created, others become as the file says. Others stay.

    All are checked before any is stored. Applied again, nothing changes.

    Example: `quintet placements apply placements.yaml`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        given = read_definitions(file, Placement, "placements", to_placement)
        plan = Plan.of(given, _all_placements(stub))
        if not dry_run:
            plan.carry_out(
                lambda each: stub.CreatePlacement(pb.CreatePlacementRequest(placement=each), timeout=TIMEOUT_SECONDS),
                lambda each: stub.UpdatePlacement(pb.UpdatePlacementRequest(placement=each), timeout=TIMEOUT_SECONDS),
            )
    plan.print(dry_run=dry_run, as_json=as_json)


@placements.command("export")
def export_placements(
    file: Annotated[Path, typer.Argument(help="File to write: YAML by its name, else JSON.")],
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Write the stored placements to a file that can be applied, those that are built in left out.

    Example: `quintet placements export placements.yaml`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        found = [bare(each) for each in _all_placements(stub) if not each.built_in]
        write_definitions(file, "placements", found)
    print_exported(len(found), as_json=as_json)


@placements.command("delete")
def delete_placement(
    placement: Annotated[str, typer.Argument(help="Id of the placement.")],
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Delete a placement; a built-in one becomes again what it was.

    Example: `quintet placements delete home_top`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        stub.DeletePlacement(pb.DeletePlacementRequest(placement_id=placement), timeout=TIMEOUT_SECONDS)
    print_deleted(placement, as_json=as_json)


def _all_placements(stub: pb_grpc.CoordinatorServiceStub) -> list[Placement]:
    def read(token: str) -> pb.ListPlacementsResponse:
        return stub.ListPlacements(pb.ListPlacementsRequest(page_token=token), timeout=TIMEOUT_SECONDS)

    return [each for page in read_pages(read) for each in page.placements]
