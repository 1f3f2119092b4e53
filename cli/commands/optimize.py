"""`quintet optimize`: parameters of the algorithms from the data, weights of the hybrid from measured performance."""

from typing import Annotated

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from cli.client import TIMEOUT_SECONDS
from cli.job_results import run_remote
from cli.output import out, print_json, reported
from cli.progress import shown_progress
from cli.tuning import print_tuned
from shared.config import Settings


def optimize(
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Have the weights of the hybrid set from how the recommendations were met, and print them and why.

    Before that, parameters of the algorithms are tried for `QUINTET_TUNE_MINUTES` if the data has changed enough.

    Example: `quintet optimize`
    """
    request = pb.OptimizeAlgorithmsRequest()
    with reported(), shown_progress("optimising") as show:
        result = run_remote(
            address or Settings().coordinator_address,
            lambda stub: stub.OptimizeAlgorithms(request, timeout=TIMEOUT_SECONDS).job,
            show,
        )
    if as_json:
        print_json(result)
        return
    if result.get("tuning"):
        print_tuned(result["tuning"])
    for algorithm, weight in result.get("weights", {}).items():
        out.print(f"{algorithm:>24} {weight:.3f}", highlight=False)
    out.print(result.get("rationale", ""), highlight=False)
