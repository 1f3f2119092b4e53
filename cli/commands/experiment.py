"""`quintet experiment`: compare ways to fill placements, and decide by what shoppers do."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.experiment_pb2 import (
    ArmComparison,
    ArmResult,
    Experiment,
    ExperimentMetric,
    ExperimentResults,
    ExperimentState,
    Verdict,
)
from rich.markup import escape
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.definition_files import read_definitions
from cli.merchandising import print_deleted, print_messages, read_pages
from cli.output import out, print_json, reported
from shared.config import Settings
from shared.experiments.convert import to_experiment

experiment = typer.Typer(
    help="Experiments: what is better; see docs/experiments.md. Example: `quintet experiment create experiment.yaml`",
    no_args_is_help=True,
)
Address = Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Name = Annotated[str, typer.Argument(help="Id of the experiment.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the experiment.")]
METRICS = [name.removeprefix("EXPERIMENT_METRIC_").lower() for name in ExperimentMetric.keys()[1:]]
RESULTS_SECONDS = 30.0


@experiment.command("create")
def create(
    file: Annotated[Path, typer.Argument(help="YAML or JSON file with `experiments`.")],
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Store and start the experiments of a file. All are checked before any is stored. Applied again, nothing changes.

    Example: `quintet experiment create experiment.yaml`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        given = read_definitions(file, Experiment, "experiments", to_experiment)
        requests = [pb.CreateExperimentRequest(experiment=each) for each in given]
        created = [stub.CreateExperiment(each, timeout=TIMEOUT_SECONDS).experiment for each in requests]
    if as_json:
        print_messages("experiments", created)
        return
    for each in created:
        out.print(f"{each.experiment_id} runs from {_day(each)} on: {', '.join(_arms(each))}", highlight=False)


@experiment.command("list")
def list_experiments(address: Address = "", as_json: AsJson = False) -> None:
    """Print the experiments.

    Example: `quintet experiment list`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        pages = read_pages(
            lambda token: stub.ListExperiments(pb.ListExperimentsRequest(page_token=token), timeout=TIMEOUT_SECONDS)
        )
        found = [each for page in pages for each in page.experiments]
    if as_json:
        print_messages("experiments", found)
        return
    table = Table("experiment", "state", "since", "placements", "arms", "chosen")
    for each in found:
        places = ", ".join(each.placement_ids) or "everywhere"
        table.add_row(each.experiment_id, _state(each), _day(each), places, ", ".join(_arms(each)), each.chosen_arm_id)
    out.print(table)


@experiment.command("show")
def show(name: Name, address: Address = "", as_json: AsJson = False) -> None:
    """Print what came of an experiment up to now. Looking often does no harm.

    Example: `quintet experiment show bolder_home`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        request = pb.GetExperimentResultsRequest(experiment_id=name)
        found = stub.GetExperimentResults(request, timeout=RESULTS_SECONDS).results
    if as_json:
        print_json(found)
        return
    out.print(f"[bold]{name}[/], {_state(found.experiment)} since {_day(found.experiment)}", highlight=False)
    out.print(_arms_table(found.arms))
    out.print(_comparisons_table([*found.comparisons, *found.segments]))
    out.print(escape(found.summary), highlight=False)
    out.print(_progress(found), highlight=False)


@experiment.command("stop")
def stop(name: Name, reason: Reason = "", address: Address = "", as_json: AsJson = False) -> None:
    """End an experiment without a decision; its results stay.

    Example: `quintet experiment stop bolder_home --reason "the sale begins"`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        request = pb.StopExperimentRequest(experiment_id=name, reason=reason)
        stopped = stub.StopExperiment(request, timeout=TIMEOUT_SECONDS).experiment
    if as_json:
        print_json(stopped)
    else:
        out.print(f"{name} is stopped")


@experiment.command("conclude")
def conclude(
    name: Name,
    arm: Annotated[str, typer.Argument(help="Id of the arm that is chosen.")],
    reason: Reason = "",
    apply: Annotated[bool, typer.Option("--apply", help="Make what the arm does what is done from now on.")] = False,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """End an experiment with the choice of an arm.

    Example: `quintet experiment conclude bolder_home bolder --apply`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        request = pb.ConcludeExperimentRequest(experiment_id=name, arm_id=arm, reason=reason, apply=apply)
        concluded = stub.ConcludeExperiment(request, timeout=TIMEOUT_SECONDS).experiment
    if as_json:
        print_json(concluded)
    else:
        out.print(f"{name} is concluded with {arm}" + (", which is done from now on" if apply else ""))


@experiment.command("delete")
def delete(name: Name, address: Address = "", as_json: AsJson = False) -> None:
    """Delete an experiment that has ended, with its results.

    Example: `quintet experiment delete bolder_home`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        stub.DeleteExperiment(pb.DeleteExperimentRequest(experiment_id=name), timeout=TIMEOUT_SECONDS)
    print_deleted(name, as_json=as_json)


@experiment.command("size")
def size(
    metric: Annotated[str, typer.Option(help=f"One of {', '.join(METRICS)}.")] = METRICS[0],
    effect: Annotated[float, typer.Option(help="Relative effect that is worth finding.")] = 0.05,
    arms: Annotated[int, typer.Option(help="Number of arms.")] = 2,
    traffic: Annotated[float, typer.Option(help="Share of the shoppers that is in it.")] = 1.0,
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Print how many shoppers an experiment needs, by what the shop was like in the last four weeks.

    Example: `quintet experiment size --metric conversion_rate --effect 0.1`
    """
    if metric not in METRICS:
        raise typer.BadParameter(f"must be one of {', '.join(METRICS)}, got {metric!r}", param_hint="--metric")
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        request = pb.EstimateSampleSizeRequest(
            metric=ExperimentMetric.Value(f"EXPERIMENT_METRIC_{metric.upper()}"),
            minimum_effect=effect,
            arms=arms,
            traffic=traffic,
        )
        found = stub.EstimateSampleSize(request, timeout=RESULTS_SECONDS)
    if as_json:
        print_json(found)
        return
    out.print(
        f"{found.units_per_arm:,} customers an arm find {effect:+.0%} of {metric} ({found.baseline:.4g} now) in four of"
        f" five experiments, looked at as often as you like: some {found.days:,.0f} days with"
        f" {found.units_per_day:,.0f} customers a day. Looked at once, at the end, {found.units_per_arm_fixed:,} do.",
        highlight=False,
    )


def _arms_table(arms: Iterable[ArmResult]) -> Table:
    table = Table("arm", "customers", "sessions", "orders", "shown", "clicked", "metrics (95 % of one look)")
    for each in arms:
        metrics = ", ".join(
            f"{_metric(one.metric)} {one.value:.4g} ({one.low:.4g} to {one.high:.4g})"
            for one in each.metrics
            if one.HasField("value")
        )
        counts = (each.units, each.sessions, each.orders, each.shown, each.clicked)
        table.add_row(each.arm_id, *(f"{count:,}" for count in counts), metrics)
    return table


def _comparisons_table(comparisons: Iterable[ArmComparison]) -> Table:
    table = Table("arm", "metric", "segment", "difference", "interval at all looks", "p", "verdict")
    for each in comparisons:
        known = each.HasField("difference")
        guard = " (guardrail)" if each.guardrail else ""
        table.add_row(
            each.arm_id,
            _metric(each.metric) + guard,
            each.segment,
            f"{each.difference:+.1%}" if known else "–",
            f"{each.low:+.1%} to {each.high:+.1%}" if known else "–",
            f"{each.adjusted_p_value:.3f}",
            Verdict.Name(each.verdict).removeprefix("VERDICT_").lower().replace("_", " "),
        )
    return table


def _progress(found: ExperimentResults) -> str:
    said = (
        f"{found.planned_units:,} customers an arm are planned" if found.planned_units else "The size is not known yet"
    )
    if found.HasField("days_left"):
        said += f", in some {found.days_left:,.0f} days"
    return f"{said}; {found.crossed_units:,} met several arms."


def _metric(metric: ExperimentMetric.ValueType) -> str:
    return ExperimentMetric.Name(metric).removeprefix("EXPERIMENT_METRIC_").lower()


def _state(each: Experiment) -> str:
    return ExperimentState.Name(each.state).removeprefix("EXPERIMENT_STATE_").lower()


def _day(each: Experiment) -> str:
    return each.start_time.ToDatetime().strftime("%Y-%m-%d %H:%M")


def _arms(each: Experiment) -> list[str]:
    return [arm.variant.variant_id for arm in each.arms]
