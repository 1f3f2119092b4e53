"""`quintet tune`: parameters of the algorithms that suit the data."""

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from cli.client import TIMEOUT_SECONDS
from cli.job_results import run_remote
from cli.output import EXIT_USAGE, fail, print_json, reported
from cli.progress import Show, shown_progress
from cli.tuning import print_tuned
from shared.config import Settings
from shared.db import tuning
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.db.revision import require_workable
from shared.errors import NotFound
from shared.job_kinds import OPTIMIZE
from shared.job_runner import carry_out
from shared.jobs import Progress, run_job
from shared.running_job import RunningJob

JOB = "services.recommendation.tuning.job"


def tune(
    algorithm: Annotated[
        list[str] | None, typer.Option(help="Whose parameters; may be repeated.", show_default="all")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="Trials of an algorithm at most.")] = 20,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0, help="Time for trials.", show_default="no limit here, QUINTET_TUNE_MINUTES at a coordinator"
        ),
    ] = None,
    address: Annotated[
        str, typer.Option(help="Have this coordinator do it, which sets the hybrid's weights as well.")
    ] = "",
    show: Annotated[bool, typer.Option("--show", help="Only print what is in force, and its evidence.")] = False,
    reset: Annotated[
        list[str] | None, typer.Option(help="Only return this algorithm to its defaults; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Try parameters of the algorithms on questions held out of the data; see docs/tuning.md.

    What is better than the defaults beyond chance is used from the next training on. Interrupted or out of time, the
    next call goes on where this one ended, as long as the data is the same.

    Example: `quintet tune --algorithm ease --algorithm item_knn --minutes 10`, then `quintet tune --show`
    """
    if address and (show or reset):
        fail("--show and --reset are for the database: leave --address out", EXIT_USAGE)
    with reported():
        if show or reset:
            result = {"algorithms": _decided(reset or [])}
        else:
            with shown_progress("tuning") as progress:
                result = _tuned(address, algorithm or [], trials, minutes, progress)
    if as_json:
        print_json(result)
    else:
        print_tuned(result)


def _tuned(address: str, algorithms: list[str], trials: int, minutes: float | None, show: Show) -> dict[str, Any]:
    if not address:
        request = {"algorithms": algorithms, "trials": trials, "minutes": minutes or 0.0}
        return asyncio.run(_here(request, Settings(), show))
    wish = pb.OptimizeAlgorithmsRequest(tune_now=True, algorithms=algorithms, max_trials=trials, tune_minutes=minutes)
    done = run_remote(address, lambda stub: stub.OptimizeAlgorithms(wish, timeout=TIMEOUT_SECONDS).job, show)
    return {**done.pop("tuning"), **done}


async def _here(request: dict[str, Any], settings: Settings, show: Show) -> dict[str, Any]:
    """Tune in a child process, as a job that runs once at a time. Raises Conflict while another one does."""
    with _database() as database:
        job = await asyncio.to_thread(RunningJob.claim, database, OPTIMIZE)
        done = await carry_out(job, lambda: _steps(request, settings), show)
    return dict(done["tuning"])


async def _steps(request: dict[str, Any], settings: Settings) -> AsyncGenerator[Progress, None]:
    async with aclosing(run_job(JOB, settings, json.dumps(request))) as steps:
        async for progress in steps:
            result = None if progress.result is None else {"tuning": progress.result}
            yield Progress(progress.stage, progress.fraction, result)


def _decided(reset: list[str]) -> dict[str, Any]:
    """Return the algorithms named to their defaults, and return what is in force."""
    with _database() as database:
        with database.write() as connection:
            for name in reset:
                if not tuning.reset(connection, name, datetime.now(UTC)):
                    raise NotFound.of("tuned algorithm", name, "reset")
        with database.read() as connection:
            decided = tuning.all_tuned(connection).values()
    return {
        each.algorithm: {
            "params": each.params,
            "evidence": each.evidence,
            "events": each.events,
            "tuned_at": each.tuned_at.isoformat(timespec="seconds"),
        }
        for each in decided
    }


@contextmanager
def _database() -> Iterator[Database]:
    database = job_database(Settings())
    try:
        require_workable(database)
        yield database
    finally:
        database.close()
