"""`quintet train`: the catalogue, then models and customers beside each other."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Annotated, Any

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from cli.client import TIMEOUT_SECONDS
from cli.job_results import run_remote
from cli.output import print_json, reported
from cli.progress import Show, shown_progress
from cli.training_summary import print_training
from shared.config import Settings
from shared.db.connect import job_database
from shared.db.revision import require_workable
from shared.gated_training import gated_training
from shared.job_kinds import TRAIN
from shared.job_runner import carry_out
from shared.jobs import QUICK, TEST, Progress, run_job
from shared.running_job import RunningJob
from shared.training_steps import training_steps

# The job modules of the agents that own what is learned.
MODULES = {
    "catalogue": "services.product.refresh",
    "models": "services.recommendation.training.train",
    "customers": "services.customer.refresh",
}


GATE = "services.recommendation.gate.job"


def train(
    address: Annotated[str, typer.Option(help="Have this coordinator do it, instead of processes here.")] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Learn the rerankers from few questions: a first model, sooner.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Embed the catalogue, train all models, recompute the customers. Running agents take over at once.

    Example: `quintet train` (here, on the database) or `quintet train --address 127.0.0.1:50050` (by the agents)
    """
    started = time.monotonic()
    with reported(), shown_progress("training") as show:
        if address:
            result = _remote(address, show, quick=quick)
        else:
            result = asyncio.run(train_here(Settings(), show, quick=quick))
    result["seconds"] = round(time.monotonic() - started, 1)
    if as_json:
        print_json(result)
    else:
        print_training(result)


async def train_here(settings: Settings, show: Show, *, quick: bool = False) -> dict[str, Any]:
    """Run the three jobs as child processes, as one job that runs once at a time, and return their results by step.

    Raises Conflict while the same work is under way elsewhere.
    """
    database = job_database(settings)
    try:
        require_workable(database)
        job = await asyncio.to_thread(RunningJob.claim, database, TRAIN)
        return await carry_out(job, lambda: _steps(settings, quick=quick), show)
    finally:
        database.close()


def _steps(settings: Settings, *, quick: bool) -> AsyncGenerator[Progress, None]:
    def step(name: str) -> AsyncGenerator[Progress, None]:
        if name != "models":
            return run_job(MODULES[name], settings)
        training = run_job(MODULES[name], settings, *([QUICK] if quick else []))
        return gated_training(training, lambda: run_job(GATE, settings, TEST))

    return training_steps(step, together=settings.train_threads > 1)


def _remote(address: str, show: Show, *, quick: bool) -> dict[str, Any]:
    return run_remote(
        address, lambda stub: stub.TrainModels(pb.TrainModelsRequest(quick=quick), timeout=TIMEOUT_SECONDS).job, show
    )
