"""`quintet attribution`: what came of a recommendation or a whole list, or which recommendations led to a purchase."""

from collections.abc import Iterable
from typing import Annotated

import typer
from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.type.v1.recommendation_pb2 import AttributionRule, Credit, CreditKind, LoggedList, RecommendationOutcome
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.output import EXIT_USAGE, fail, money, out, print_json, reported
from shared.config import Settings


def attribution(
    recommendation: Annotated[str, typer.Option(help="Id of a recommendation, as an answer gave it.")] = "",
    purchase: Annotated[str, typer.Option(help="The platform's id of a purchase.")] = "",
    list_token: Annotated[str, typer.Option("--list", help="Token of an answer: its `attribution_token`.")] = "",
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what came of a recommendation or a list, or what a purchase is credited to, by each attribution rule.

    Example: `quintet attribution --purchase o-1`
    """
    named = {"recommendation_id": recommendation, "purchase_id": purchase, "attribution_token": list_token}
    subject = {field: value for field, value in named.items() if value}
    if len(subject) != 1:
        fail("name one of --recommendation, --purchase and --list", EXIT_USAGE)
    request = pb.GetAttributionRequest(**subject)
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.GetAttribution(request, timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    if answer.HasField("list"):
        out.print(_how_made(answer.list), highlight=False, markup=False)
    out.print(_responses(answer.outcomes))
    credited = [(each, credit) for each in answer.outcomes for credit in (*each.credits, *each.alternative_credits)]
    if credited:
        out.print(_credits(credited))


def _how_made(made: LoggedList) -> str:
    placement = f"placement {made.placement_id}, " if made.placement_id else ""
    model = f", model {made.model_version}" if made.model_version else ""
    arm = f", arm {made.arm}" if made.arm else ""
    return f"{placement}{made.strategy}{model}{arm}, made {made.generate_time.ToDatetime():%Y-%m-%d %H:%M} UTC"


def _responses(outcomes: Iterable[RecommendationOutcome]) -> Table:
    table = Table("place", "product", "algorithm", "responses", "click", "dwell")
    for each in outcomes:
        grade = f"{each.click_grade:.2f}" if each.HasField("click_grade") else ""
        dwell = f"{each.dwell_seconds:.0f} s" if each.HasField("dwell_seconds") else ""
        table.add_row(str(each.position or "–"), each.product_id, each.algorithm, _met(each), grade, dwell)
    return table


def _met(outcome: RecommendationOutcome) -> str:
    said = {
        "shown": outcome.HasField("show_time"),
        "clicked": outcome.HasField("click_time"),
        "added to cart": outcome.added_to_cart,
        "purchased": outcome.purchased,
        "refunded": outcome.refunded,
        "dismissed": outcome.dismissed,
    }
    return ", ".join(name for name, is_so in said.items() if is_so) or "none"


def _credits(credited: Iterable[tuple[RecommendationOutcome, Credit]]) -> Table:
    """Return the credits as a table, rule by rule, because amounts of several rules do not add up."""
    table = Table("rule", "product", "purchase", "share", "amount", "margin")
    for outcome, credit in sorted(credited, key=lambda pair: pair[1].rule):
        rule = AttributionRule.Name(credit.rule).removeprefix("ATTRIBUTION_RULE_").lower()
        gone = " (refunded)" if credit.kind == CreditKind.CREDIT_KIND_REFUNDED else ""
        amounts = money(credit.amount), money(credit.margin)
        table.add_row(f"{rule}{gone}", outcome.product_id, credit.purchase_id, f"{credit.share:.0%}", *amounts)
    return table
