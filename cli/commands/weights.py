"""`quintet weights`: how much each algorithm counts in the hybrid."""

from typing import Annotated

import typer
from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight
from rich.table import Table

from cli.client import TIMEOUT_SECONDS, coordinator
from cli.output import out, print_json, reported
from shared.config import Settings

Address = Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Reason = Annotated[str, typer.Option(help="Why, for those who look later; at most 500 characters.")]

weights = typer.Typer(help="Weights of the algorithms in the hybrid.", no_args_is_help=True)


@weights.command("show")
def show(address: Address = "", as_json: AsJson = False) -> None:
    """Say which weights are in force, and why.

    Example: `quintet weights show`
    """
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.GetWeights(pb.GetWeightsRequest(), timeout=TIMEOUT_SECONDS)
    _print(answer, as_json)


@weights.command("set")
def set_weights(
    given: Annotated[list[str], typer.Argument(help="ALGORITHM=WEIGHT, relative to one another.", metavar="WEIGHT...")],
    reason: Reason = "",
    address: Address = "",
    as_json: AsJson = False,
) -> None:
    """Set the weights; algorithms that are not named are switched off.

    Example: `quintet weights set ease=3 content=1 --reason "Spring campaign"`
    """
    _set(pb.SetWeightsRequest(weights=map(_weight, given), reason=reason), address, as_json)


@weights.command("reset")
def reset(reason: Reason = "", address: Address = "", as_json: AsJson = False) -> None:
    """Forget what was set by hand and learn from the responses of the last 30 days.

    Example: `quintet weights reset`
    """
    _set(pb.SetWeightsRequest(reset=True, reason=reason), address, as_json)


def _set(request: pb.SetWeightsRequest, address: str, as_json: bool) -> None:
    with reported(), coordinator(address or Settings().coordinator_address) as stub:
        answer = stub.SetWeights(request, timeout=TIMEOUT_SECONDS)
    _print(answer, as_json)


def _weight(text: str) -> AlgorithmWeight:
    name, _, value = text.partition("=")
    try:
        return AlgorithmWeight(algorithm=name, weight=float(value))
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not ALGORITHM=WEIGHT, such as ease=3") from error


def _print(answer: pb.GetWeightsResponse | pb.SetWeightsResponse, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    table = Table("algorithm", "weight")
    for each in answer.weights:
        table.add_row(each.algorithm, f"{each.weight:.3f}")
    out.print(table)
    out.print(answer.rationale, highlight=False, markup=False)
