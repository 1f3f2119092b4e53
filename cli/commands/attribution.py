"""`quintet attribution`: what came of a recommendation or a list, what led to a purchase, what algorithms earned."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as coordinator_pb
from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.type.v1.recommendation_pb2 import (
    AlgorithmPerformance,
    AttributionRule,
    Credit,
    CreditKind,
    LoggedList,
    RecommendationOutcome,
)
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.output import EXIT_USAGE, fail, money, out, print_json, reported
from shared.config import Settings
from shared.timestamps import to_timestamp


def attribution(
    recommendation: Annotated[str, typer.Option(help="Id of a recommendation, as an answer gave it.")] = "",
    purchase: Annotated[str, typer.Option(help="The platform's id of a purchase.")] = "",
    list_token: Annotated[str, typer.Option("--list", help="Token of an answer: its `attribution_token`.")] = "",
    algorithms: Annotated[bool, typer.Option("--algorithms", help="What each algorithm earned, by rule.")] = False,
    days: Annotated[float, typer.Option(help="With --algorithms: the latest days.", min=0.01, max=3_650)] = 30.0,
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what came of a recommendation or a list, or what a purchase is credited to, by each attribution rule.

    Example: `quintet attribution --purchase o-1`, or `quintet attribution --algorithms --days 7`
    """
    named = {"recommendation_id": recommendation, "purchase_id": purchase, "attribution_token": list_token}
    subject = {field: value for field, value in named.items() if value}
    if len(subject) + algorithms != 1:
        fail("name one of --recommendation, --purchase, --list and --algorithms", EXIT_USAGE)
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        if algorithms:
            performance = stub.GetAlgorithmPerformance(_latest(days), timeout=TIMEOUT_SECONDS)
            print_json(performance) if as_json else out.print(_by_algorithm(performance.algorithms))
            return
        answer = stub.GetAttribution(pb.GetAttributionRequest(**subject), timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    if answer.HasField("list"):
        out.print(_how_made(answer.list), highlight=False, markup=False)
    out.print(_responses(answer.outcomes))
    credited = [(each, credit) for each in answer.outcomes for credit in (*each.credits, *each.alternative_credits)]
    if credited:
        out.print(_credits(credited))


def _latest(days: float) -> coordinator_pb.GetAlgorithmPerformanceRequest:
    since = datetime.now(UTC) - timedelta(days=days)
    return coordinator_pb.GetAlgorithmPerformanceRequest(start_time=to_timestamp(since))


def _by_algorithm(algorithms: Iterable[AlgorithmPerformance]) -> Table:
    """Return what each algorithm earned, a column for each rule: what one rule says adds up, rules do not."""
    every = list(algorithms)
    rules = sorted({each.rule for algorithm in every for each in algorithm.revenue_by_rule})
    table = Table("algorithm", "shown", "clicked", *map(_rule_name, rules))
    for algorithm in every:
        amounts = {each.rule: ", ".join(map(money, each.revenue)) for each in algorithm.revenue_by_rule}
        earned = [amounts.get(rule, "") for rule in rules]
        table.add_row(algorithm.algorithm, f"{algorithm.shown:,}", f"{algorithm.clicked:,}", *earned)
    return table


def _rule_name(rule: AttributionRule.ValueType) -> str:
    return AttributionRule.Name(rule).removeprefix("ATTRIBUTION_RULE_").lower()


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
        gone = " (refunded)" if credit.kind == CreditKind.CREDIT_KIND_REFUNDED else ""
        amounts = money(credit.amount), money(credit.margin)
        table.add_row(
            f"{_rule_name(credit.rule)}{gone}", outcome.product_id, credit.purchase_id, f"{credit.share:.0%}", *amounts
        )
    return table
