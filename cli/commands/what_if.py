"""`quintet what-if`: what lists that were answered would have earned with another configuration of their placement."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.experiment_pb2 import (
    ArmReference,
    ConfigurationEstimate,
    EstimateBasis,
    OffPolicyEstimator,
    RewardEstimate,
)
from quintet.type.v1.placement_pb2 import Reward, Variant
from rich.markup import escape
from rich.table import Table

from cli.client import coordinator
from cli.definition_files import read_definitions
from cli.output import EXIT_USAGE, fail, out, print_json, reported
from shared.config import Settings
from shared.experiments.convert import to_variant
from shared.limits import (
    DEFAULT_EVALUATED_DAYS,
    DEFAULT_EVALUATED_LISTS,
    DEFAULT_EVALUATION_SECONDS,
    MAX_EVALUATED_LISTS,
    MAX_EVALUATION_SECONDS,
)
from shared.timestamps import to_timestamp

SPARE_SECONDS = 45.0
REWARDS = [field.name for field in Reward.DESCRIPTOR.fields]
ESTIMATORS = [name.removeprefix("OFF_POLICY_ESTIMATOR_").lower() for name in OffPolicyEstimator.keys()[1:]]
MOST_DAYS = 365


def what_if(
    placement: Annotated[str, typer.Argument(help="Id of the placement.")],
    variant: Annotated[str, typer.Option(help="Id of a variant of the placement's bandit, for every list.")] = "",
    experiment: Annotated[str, typer.Option(help="With --arm: id of an experiment.")] = "",
    arm: Annotated[str, typer.Option(help="Id of an arm of the experiment, for every list.")] = "",
    file: Annotated[Path | None, typer.Option(help="YAML or JSON file with one variant under `variants`.")] = None,
    strategy: Annotated[str, typer.Option(help="Algorithm that orders the lists alone.")] = "",
    diversity: Annotated[float | None, typer.Option(min=0, max=1, help="How different products are.")] = None,
    without_exploration: Annotated[bool, typer.Option("--without-exploration", help="Explore nothing.")] = False,
    days: Annotated[int, typer.Option(min=1, max=MOST_DAYS, help="Days to look back.")] = DEFAULT_EVALUATED_DAYS,
    reward: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What a list is worth: {', '.join(REWARDS)}, or NAME=WEIGHT; may be given again. Default that of the"
            " placement's bandit, else click.",
        ),
    ] = None,
    currency: Annotated[str, typer.Option(help="Of revenue and margin; default that of most orders.")] = "",
    estimator: Annotated[str, typer.Option(help=f"One of {', '.join(ESTIMATORS)}; see docs/off-policy.md.")] = "",
    lists: Annotated[
        int, typer.Option(min=1, max=MAX_EVALUATED_LISTS, help="Lists to look at, the latest.")
    ] = DEFAULT_EVALUATED_LISTS,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=MAX_EVALUATION_SECONDS, help="Time for looking at lists.")
    ] = DEFAULT_EVALUATION_SECONDS,
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print what the lists of the last days would have earned with another configuration; nothing changes.

    The log says it of what was chosen at random: variants of a bandit, arms of an experiment, what a placement
    explored. Of anything else it is refused, with what helps.

    Example: `quintet what-if home --variant bolder --reward purchase --days 14`
    """
    now = datetime.now(UTC)
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        request = pb.EvaluateConfigurationRequest(
            placement_id=placement,
            arm=ArmReference(experiment_id=experiment, arm_id=arm) if experiment or arm else None,
            variant=_variant(file, strategy, diversity),
            without_exploration=without_exploration,
            start_time=to_timestamp(now - timedelta(days=days)),
            reward=_reward(reward or []),
            currency_code=currency,
            estimator=_estimator(estimator),
            max_lists=lists,
            max_seconds=seconds,
        )
        _require_one([bool(variant), request.HasField("arm"), request.HasField("variant")])
        if variant:
            request.variant_id = variant
        found = stub.EvaluateConfiguration(request, timeout=seconds + SPARE_SECONDS).estimate
    if as_json:
        print_json(found)
    else:
        _print(found)


def _require_one(given: list[bool]) -> None:
    """End with a message where two configurations are given: the contract has room for one."""
    if sum(given) > 1:
        fail("give one of --variant, --experiment with --arm, and --file, --strategy or --diversity", EXIT_USAGE)


def _variant(file: Path | None, strategy: str, diversity: float | None) -> Variant | None:
    if file is not None:
        given = read_definitions(file, Variant, "variants", lambda each, field: to_variant(each, None, field))
        if len(given) != 1 or strategy or diversity is not None:
            fail("--file: must have one variant, and --strategy and --diversity are in it", EXIT_USAGE)
        return given[0]
    if not strategy and diversity is None:
        return None
    return Variant(variant_id="what_if", strategy=strategy, diversity=diversity)


def _reward(given: list[str]) -> Reward | None:
    weights = {}
    for each in given:
        name, _, weight = each.partition("=")
        if name not in REWARDS:
            fail(f"--reward: must be one of {', '.join(REWARDS)}, got {name!r}", EXIT_USAGE)
        try:
            weights[name] = float(weight or 1)
        except ValueError:
            fail(f"--reward: {weight!r} is no number", EXIT_USAGE)
    return Reward(**weights) if weights else None


def _estimator(name: str) -> OffPolicyEstimator.ValueType:
    if name and name not in ESTIMATORS:
        fail(f"--estimator: must be one of {', '.join(ESTIMATORS)}, got {name!r}", EXIT_USAGE)
    return OffPolicyEstimator.Value(f"OFF_POLICY_ESTIMATOR_{name.upper() or 'UNSPECIFIED'}")


def _print(found: ConfigurationEstimate) -> None:
    basis = EstimateBasis.Name(found.basis).removeprefix("ESTIMATE_BASIS_").lower()
    how = OffPolicyEstimator.Name(found.estimator).removeprefix("OFF_POLICY_ESTIMATOR_").lower()
    start, end = (each.ToDatetime().strftime("%Y-%m-%d %H:%M") for each in (found.start_time, found.end_time))
    out.print(f"[bold]{found.placement_id}[/] from {start} to {end}, by {basis}, {how}", highlight=False)
    table = Table(f"reward ({_worth(found)})", "a list", "95 %", "1,000 lists")
    for name, each in (("earned", found.logged), ("would have earned", found.estimated)):
        table.add_row(name, f"{each.value:.4g}", f"{each.low:.4g} to {each.high:.4g}", f"{1000 * each.value:,.1f}")
    table.add_row("difference", *_difference(found.difference))
    out.print(table)
    out.print(escape(found.summary), highlight=False)
    out.print(
        f"{found.lists:,} lists of {found.units:,} customers, {found.skipped_lists:,} left out; they count as"
        f" {found.effective_sample_size:,.0f} lists and {found.effective_units:,.0f} customers that follow it,"
        f" {found.rewarded_units:,.0f} of whom earned anything. Support {found.support:.1%}, largest weight"
        f" {found.largest_weight:.3g}. {found.changed_share:.1%} of the lists would have been different.",
        highlight=False,
    )
    for example in found.examples:
        out.print(f"shown: {', '.join(example.before)}", highlight=False, markup=False)
        after = ", ".join(item.product_id for item in example.after)
        out.print(f"  then {after}", highlight=False, markup=False)
    if found.incomplete:
        out.print("not all lists of the period were looked at: give more --seconds or --lists")


def _difference(each: RewardEstimate) -> tuple[str, str, str]:
    return f"{each.value:+.4g}", f"{each.low:+.4g} to {each.high:+.4g}", f"{1000 * each.value:+,.1f}"


def _worth(found: ConfigurationEstimate) -> str:
    weights = [(name, getattr(found.reward, name)) for name in REWARDS]
    said = [name if weight == 1 else f"{weight:g} {name}" for name, weight in weights if weight]
    money = f", {found.currency_code}" if found.reward.revenue or found.reward.margin else ""
    return " + ".join(said) + money
