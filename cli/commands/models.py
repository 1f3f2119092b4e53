"""`quintet models`: which versions there are, how good they are, which one is in use."""

from typing import Annotated

import typer
from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.type.v1.model_pb2 import ModelMeasure, ModelVersion
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.output import out, print_json, reported
from shared.config import Settings

LOADING_SECONDS = 120.0
"""A version that is put in use is loaded first."""
MIB = 1024 * 1024
Address = Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

models = typer.Typer(help="Versions of the models: list, compare, put in use, roll back.", no_args_is_help=True)


@models.command("list")
def list_models(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    page_token: Annotated[str, typer.Option(help="Token of the next page, which --json shows.")] = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Say which versions are stored, newest first.

    Example: `quintet models list`
    """
    request = pb.ListModelsRequest(page_size=limit, page_token=page_token)
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ListModels(request, timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    table = Table("version", "in use", "trained", "products", "MiB", "training")
    for each in answer.models:
        table.add_row(*_row(each))
    out.print(table)


@models.command("show")
def show_model(
    version: Annotated[str, typer.Argument(help="The version; default the one in use.")] = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Say what was measured of a version when it was trained, beside the version before it.

    Example: `quintet models show --json`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.GetModelQuality(pb.GetModelQualityRequest(version=version), timeout=TIMEOUT_SECONDS)
    if as_json:
        print_json(answer)
        return
    out.print(f"{answer.model.version} · trained {_time(answer.model)}", highlight=False)
    for context, facts in sorted(answer.model.training.evaluation.items()):
        if facts.event_feedback:
            out.print(f"responses to shown lists, {context}: {facts.event_feedback}", highlight=False)
    table = Table("context", "metric", "value", answer.compared_version or "none before")
    for each in answer.measures:
        table.add_row(each.context, each.metric, f"{each.value:.4f}", _compared(each))
    out.print(table)


@models.command("activate")
def activate(
    version: Annotated[str, typer.Argument(help="The version, see `quintet models list`.")],
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Put a version in use; the one before stays when it cannot be loaded.

    Example: `quintet models activate 20260101T120000Z-a1b2c3`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.ActivateModel(pb.ActivateModelRequest(version=version), timeout=LOADING_SECONDS)
    _say(answer.model, as_json)


@models.command("rollback")
def roll_back(address: Address = "", as_json: AsJson = False) -> None:
    """Put the version before the one in use in use. `quintet schedule pause train_models` keeps it so.

    Example: `quintet models rollback`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.RollBackModel(pb.RollBackModelRequest(), timeout=LOADING_SECONDS)
    _say(answer.model, as_json)


def _say(model: ModelVersion, as_json: bool) -> None:
    if as_json:
        print_json(model)
    else:
        out.print(f"in use: {model.version}", highlight=False)


def _row(model: ModelVersion) -> tuple[str, ...]:
    in_use = "yes" if model.active else ""
    took = f"{model.training.seconds:.0f} s{', quick' if model.training.quick else ''}"
    return model.version, in_use, _time(model), f"{model.products:,}", f"{model.size_bytes / MIB:.1f}", took


def _time(model: ModelVersion) -> str:
    return f"{model.create_time.ToDatetime():%Y-%m-%d %H:%M} UTC"


def _compared(measure: ModelMeasure) -> str:
    if not measure.HasField("compared_value"):
        return "–"
    return f"{measure.compared_value:.4f} ({measure.value - measure.compared_value:+.4f})"
