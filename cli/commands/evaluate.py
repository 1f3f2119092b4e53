"""`quintet evaluate`: how good the recommendations are on data whose answers are known."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import out, print_json, reported
from cli.progress import Show, shown_progress
from cli.quality import print_report
from shared.config import Settings
from shared.jobs import run_job

JOB = "services.recommendation.evaluation.job"


def evaluate(
    train: Annotated[
        Path | None, typer.Option(help="What is known: CSV, JSONL or Parquet; gzip too.", show_default="database")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="What came after.", show_default="database")] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="A column of the files and ours, e.g. SKU=product_id."),
    ] = None,
    event_type: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[THEIRS=]OURS", help="Type of events without one; or what a name of the files means, fav=cart."
        ),
    ] = None,
    negative_quantity: Annotated[
        str, typer.Option(help="Purchase rows below 0: reject, or refund, which leaves them out.")
    ] = "reject",
    guests: Annotated[str, typer.Option(help="Events of nobody: reject, or visitor, one per order.")] = "reject",
    cutoff: Annotated[
        str, typer.Option(help="Moment that splits the database: 2017-12-01.", show_default="its last tenth")
    ] = "",
    protocol: Annotated[str, typer.Option(help="top-n, top-n-discovery, next-item, session or next-basket.")] = "top-n",
    exclude_seen: Annotated[
        bool | None,
        typer.Option("--exclude-seen/--include-seen", help="Leave out what the shopper had.", show_default="protocol"),
    ] = None,
    algorithm: Annotated[
        list[str] | None, typer.Option(help="Who takes part; may be repeated.", show_default="quintet and baselines")
    ] = None,
    all_algorithms: Annotated[bool, typer.Option("--all-algorithms", help="Each algorithm of Quintet too.")] = False,
    served: Annotated[
        bool, typer.Option("--served", help="The page that a shop serves too: the list after each of its steps.")
    ] = False,
    target: Annotated[
        str,
        typer.Option(
            help="What counts as an answer: purchase, cart or view.", show_default="strongest in test; any in sessions"
        ),
    ] = "",
    tuned: Annotated[bool, typer.Option("--tuned", help="With the parameters that quintet tune chose.")] = False,
    k: Annotated[list[int] | None, typer.Option(help="Length of lists; may be repeated.", show_default="20")] = None,
    recall_over: Annotated[
        str, typer.Option(help="Recall over min, the lesser of k and what is relevant, or all of it.")
    ] = "min",
    dataset: Annotated[str, typer.Option(help="Name in the report.", show_default="folder of the files")] = "",
    seed: Annotated[int, typer.Option(help="Of everything by chance.")] = 0,
    bootstrap: Annotated[int, typer.Option(help="Resamples for the 95 % intervals; 0 for none.")] = 1000,
    limit_questions: Annotated[
        int | None, typer.Option(help="Ask at most so many, drawn at random.", show_default="all")
    ] = None,
    shortest_session: Annotated[int, typer.Option(help="Events of a session before its first question.")] = 1,
    plot: Annotated[Path | None, typer.Option(help="Picture to draw: .png or .svg.", show_default="none")] = None,
    report: Annotated[
        Path | None, typer.Option("--out", help="File to write the JSON report to.", show_default="none")
    ] = None,
    database_url: Annotated[str, typer.Option(help="Database; default QUINTET_DATABASE_URL.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as one JSON object.")] = False,
) -> None:
    """Rank the whole catalogue for shoppers whose next steps are known, and measure; see docs/evaluation.md.

    Example: `quintet evaluate --train train.csv --test test.csv --protocol next-item --k 10 --plot quality.png`
    """
    request = {
        "train": str(train or ""),
        "test": str(test or ""),
        "columns": mapping or [],
        "event_types": event_type or [],
        "negative_quantity": negative_quantity,
        "guests": guests,
        "cutoff": cutoff,
        "protocol": protocol,
        "exclude_seen": exclude_seen,
        "algorithms": algorithm or [],
        "all_algorithms": all_algorithms,
        "served": served,
        "target": target,
        "tuned": tuned,
        "k": k or [20],
        "recall_over": recall_over,
        "dataset": dataset,
        "seed": seed,
        "bootstrap": bootstrap,
        "limit_questions": limit_questions,
        "shortest_session": shortest_session,
        "plot": str(plot or ""),
    }
    settings = Settings(database_url=database_url) if database_url else Settings()
    with reported(), shown_progress("evaluating") as show:
        found, picture = _evaluated(request, report, settings, show)
    if as_json:
        print_json(found)
        return
    print_report(found)
    for path in (report, picture):
        if path:
            out.print(f"written: {path}", highlight=False, markup=False)


def _evaluated(
    request: dict[str, Any], report: Path | None, settings: Settings, show: Show
) -> tuple[dict[str, Any], str]:
    """Have the job write the report, to a file that goes away where nobody wants it; return it and the picture's path.

    The path is empty where there is no picture.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = report or Path(folder) / "report.json"
        result = asyncio.run(_run({**request, "out": str(path)}, settings, show))
        found: dict[str, Any] = json.loads(path.read_text())
    return found, result["plot"]


async def _run(request: dict[str, Any], settings: Settings, show: Show) -> dict[str, Any]:
    result: dict[str, Any] = {}
    async for progress in run_job(JOB, settings, json.dumps(request)):
        show(progress.stage, progress.fraction)
        result = progress.result or result
    return result
