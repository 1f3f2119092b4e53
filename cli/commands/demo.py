"""`quintet demo`: real data, training, five agents, one shopper's journey; from nothing to recommendations."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from google.protobuf.json_format import MessageToDict

from cli.client import coordinator
from cli.commands.train import train_here
from cli.datasets import complete_journey
from cli.importing.errors import ImportAborted
from cli.importing.request import ImportRequest, import_files
from cli.importing.run import Summary
from cli.journey import Journey
from cli.output import EXIT_FAILED, err, fail, out, print_json, reported
from cli.progress import shown_progress
from cli.supervisor import Supervisor
from cli.training_summary import print_training
from shared.columns import Kind
from shared.config import Agent, Settings
from shared.db.connect import job_database
from shared.db.migrate import migrate

KINDS: tuple[Kind, ...] = ("customers", "products", "events")
REGION, AGE = "store 367", 50

PUBLISHED = (
    "2,469 households, 92,331 products, 1,469,307 lines in 155,848 baskets of 2017, demographics of 801 households; "
    "simulated from real shopping patterns, MIT licence"
)
AFTERWARDS = """
[bold]Train on all of it[/] (this training was a quick first one)
  QUINTET_DATABASE_URL={url} .venv/bin/quintet train

[bold]Keep it running[/]
  QUINTET_DATABASE_URL={url} .venv/bin/quintet up

[bold]Then ask it[/]
  .venv/bin/quintet recommend {customer}
  grpcurl -plaintext -d '{{"customer_id": "{customer}", "limit": 5}}' \\
      {address} quintet.coordinator.v1.CoordinatorService/GetRecommendations
  buf curl --protocol grpc --http2-prior-knowledge -d '{{"customer_id": "{customer}", "limit": 5}}' \\
      http://{address}/quintet.coordinator.v1.CoordinatorService/GetRecommendations
  or with a stub: see examples/clients for Python, Node.js, Go and Java
"""


def demo(
    folder: Annotated[Path, typer.Option(help="Where the data, the database and the logs go.")] = Path(".demo"),
    region: Annotated[str, typer.Option(help="Region of the new customer: a home store of the data.")] = REGION,
    age: Annotated[int, typer.Option(min=18, max=130, help="Age of the new customer, in years.")] = AGE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object at the end.")] = False,
) -> None:
    """Import The Complete Journey, train, start the five agents and play one shopper's journey.

    Exit code 1 when the journey did not go as it must. Needs the extra `demo`. Example: `quintet demo --age 30`
    """
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("quintet.db*"):
        old.unlink()
    settings = Settings(database_url=f"sqlite:///{folder / 'quintet.db'}", log_format="console")
    console = err if as_json else out
    with reported():
        prepared = _prepare(settings, folder, console.print, as_json=as_json)
        timings = prepared.timings
        journey = asyncio.run(_play(settings, folder, region, age, console.print, timings))
    seconds = round(time.monotonic() - started, 1)
    console.print(f"\n{_times(timings)} · {seconds} s in all", highlight=False)
    if as_json:
        print_json({**journey, "seconds": seconds, **asdict(prepared), "database_url": settings.database_url})
    else:
        address, url = settings.coordinator_address, settings.database_url
        out.print(
            AFTERWARDS.format(url=url, customer=journey["customer_id"], address=address),
            highlight=False,
            soft_wrap=True,
        )
    for failure in journey["failures"]:
        err.print(f"[bold red]not as it must be:[/] {failure}", highlight=False)
    if journey["failures"]:
        raise typer.Exit(EXIT_FAILED)


@dataclass(frozen=True)
class Prepared:
    """What was made before the agents start: seconds by step, counts of the import by kind, facts of the training."""

    timings: dict[str, float]
    imported: dict[str, dict[str, Any]]
    trained: dict[str, Any]


def _prepare(settings: Settings, folder: Path, say: Callable[..., None], *, as_json: bool) -> Prepared:
    """Write the data, import it and train."""
    timings: dict[str, float] = {}
    _header(say, "The Complete Journey, of 84.51°")
    say(PUBLISHED, highlight=False)
    with _timed(timings, "data"):
        written = _written(folder)
    say(
        f"taken: {written.lines:,} lines in {written.orders:,} baskets, moved by {written.shift_weeks} weeks "
        f"to end now ({written.lines_left_out:,} lines without quantity or product left out); "
        f"{written.products_out_of_stock:,} products not sold lately count as out of stock",
        highlight=False,
    )
    _header(say, "Import")
    with _timed(timings, "import"):
        database = job_database(settings)
        migrate(database)
        database.close()
        imported = {kind: _import(settings, folder, kind, say) for kind in KINDS}
    _header(say, "Training")
    with _timed(timings, "training"), shown_progress("training") as show:
        trained = asyncio.run(train_here(settings, show, quick=True))
    if not as_json:
        print_training({**trained, "seconds": timings["training"]})
    return Prepared(timings, {kind: asdict(summary) for kind, summary in imported.items()}, trained)


def _written(folder: Path) -> complete_journey.Written:
    try:
        return complete_journey.write_files(complete_journey.load(), folder, shift_to_now=True)
    except ImportAborted as error:
        fail(str(error))


def _import(settings: Settings, folder: Path, kind: Kind, say: Callable[..., None]) -> Summary:
    request = ImportRequest(kind=kind, files=(folder / f"{kind}.parquet",), database_url=settings.database_url)
    with shown_progress(f"importing {kind}") as show:
        [summary] = import_files(request, show).files
    say(
        f"{kind}: {summary.imported:,} rows imported, {summary.rejected:,} rejected, {summary.seconds:.1f} s, "
        f"{summary.rows_per_second:,.0f} rows/s",
        highlight=False,
    )
    return summary


async def _play(
    settings: Settings, folder: Path, region: str, age: int, say: Callable[..., None], timings: dict[str, float]
) -> dict[str, Any]:
    """Start the agents, play the journey, stop the agents."""
    _header(say, f"Five agents (logs in {folder / 'agents.log'})")
    with (folder / "agents.log").open("w") as log:

        def keep(agent: Agent, line: str) -> None:
            log.write(f"{agent:>14} | {line}\n")

        supervisor = Supervisor(settings, keep)
        with _timed(timings, "start"):
            await supervisor.start()
        try:
            with _timed(timings, "journey"):
                return await asyncio.to_thread(_journey, settings.coordinator_address, region, age, say)
        finally:
            with _timed(timings, "stop"):
                await supervisor.stop()


def _journey(address: str, region: str, age: int, say: Callable[..., None]) -> dict[str, Any]:
    with coordinator(address) as stub:
        journey = Journey(stub, say, region, age)
        profile = journey.play()
    return {
        "customer_id": journey.customer_id,
        "steps": [
            {
                "title": step.title,
                "new": step.new,
                "recommendations": MessageToDict(step.answer, preserving_proto_field_name=True),
            }
            for step in journey.steps
        ],
        "segments": [each.segment_name for each in profile.segments],
        "failures": journey.failures,
    }


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    """Keep how long the block took, in seconds."""
    started = time.monotonic()
    yield
    timings[name] = round(time.monotonic() - started, 1)


def _header(say: Callable[..., None], text: str) -> None:
    say(f"\n[bold cyan]{text}[/]", highlight=False)


def _times(timings: dict[str, float]) -> str:
    return " · ".join(f"{name} {seconds} s" for name, seconds in timings.items())
