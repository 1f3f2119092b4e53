"""`quintet rules`: what to pin, boost, bury, exclude and limit, kept in a file, previewed and applied."""

from pathlib import Path
from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.placement_pb2 import Rule, RulesPreview
from rich.markup import escape
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.commands.placements import Address, AsJson, DryRun
from cli.definition_files import read_definitions, write_definitions
from cli.merchandising import Plan, bare, print_deleted, print_exported, print_messages, read_pages
from cli.output import out, print_json, reported
from shared.config import Settings
from shared.merchandising.convert import to_rule

PREVIEW_SPARE_SECONDS = 15.0

rules = typer.Typer(
    help="Rules of merchandisers; see docs/placements.md. Example: `quintet rules preview rules.yaml`",
    no_args_is_help=True,
)


@rules.command("list")
def list_rules(address: Address = "", as_json: AsJson = False) -> None:
    """Print the rules.

    Example: `quintet rules list`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        found = _all_rules(stub)
    if as_json:
        print_messages("rules", found)
        return
    table = Table("rule", "action", "priority", "filter", "")
    for each in found:
        mark = "disabled" if each.disabled else ""
        action = each.WhichOneof("action") or ""
        table.add_row(each.rule_id, action, str(each.priority), escape(each.filter), mark)
    out.print(table)


@rules.command("apply")
def apply_rules(
    file: Annotated[Path, typer.Argument(help="YAML or JSON file with rules.")],
    dry_run: DryRun = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Store the rules of a file: new ones are created, others become as the file says. Others stay.

    All are checked before any is stored. Applied again, nothing changes.

    Example: `quintet rules apply rules.yaml`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        plan = Plan.of(read_definitions(file, Rule, "rules", to_rule), _all_rules(stub))
        if not dry_run:
            plan.carry_out(
                lambda each: stub.CreateRule(pb.CreateRuleRequest(rule=each), timeout=TIMEOUT_SECONDS),
                lambda each: stub.UpdateRule(pb.UpdateRuleRequest(rule=each), timeout=TIMEOUT_SECONDS),
            )
    plan.print(dry_run=dry_run, as_json=as_json)


@rules.command("export")
def export_rules(
    file: Annotated[Path, typer.Argument(help="File to write: YAML by its name, else JSON.")],
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Write the stored rules to a file that can be applied.

    Example: `quintet rules export rules.yaml`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        found = [bare(each) for each in _all_rules(stub)]
        write_definitions(file, "rules", found)
    print_exported(len(found), as_json=as_json)


@rules.command("delete")
def delete_rule(
    rule: Annotated[str, typer.Argument(help="Id of the rule.")], address: Address = "", as_json: AsJson = False
) -> None:
    """Delete a rule.

    Example: `quintet rules delete summer_sale`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        stub.DeleteRule(pb.DeleteRuleRequest(rule_id=rule), timeout=TIMEOUT_SECONDS)
    print_deleted(rule, as_json=as_json)


@rules.command("preview")
def preview_rules(
    file: Annotated[Path, typer.Argument(help="YAML or JSON file with rules.")],
    days: Annotated[int, typer.Option(min=1, max=30, help="Days to look back.")] = 7,
    lists: Annotated[int, typer.Option(min=1, max=2000, help="Lists to look at.")] = 500,
    seconds: Annotated[float, typer.Option(min=0.1, max=20, help="Time for it.")] = 5.0,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Print what the rules of a file would have changed in the lists shown lately; nothing changes.

    Example: `quintet rules preview rules.yaml --days 7`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        given = read_definitions(file, Rule, "rules")
        request = pb.PreviewRulesRequest(rules=given, days=days, max_lists=lists, max_seconds=seconds)
        preview = stub.PreviewRules(request, timeout=seconds + PREVIEW_SPARE_SECONDS).preview
    if as_json:
        print_json(preview)
    else:
        _print_preview(preview)


def _print_preview(preview: RulesPreview) -> None:
    table = Table("placement", "lists", "changed", "removed", "moved", "added")
    for each in preview.placements:
        numbers = (each.lists, each.changed, each.removed, each.moved, each.added)
        table.add_row(each.placement_id, *map(str, numbers))
    out.print(table)
    for example in preview.examples:
        after = (f"{item.product_id} ({', '.join(item.applied_rules)})" for item in example.after)
        out.print(f"{example.placement_id}: {', '.join(example.before)}", highlight=False, markup=False)
        out.print(f"  now {', '.join(after)}".replace(" ()", ""), highlight=False, markup=False)
    if preview.incomplete:
        out.print("time ended before all lists were looked at: give more --seconds")


def _all_rules(stub: pb_grpc.CoordinatorServiceStub) -> list[Rule]:
    def read(token: str) -> pb.ListRulesResponse:
        return stub.ListRules(pb.ListRulesRequest(page_token=token), timeout=TIMEOUT_SECONDS)

    return [each for page in read_pages(read) for each in page.rules]
