"""`quintet rebuild`: make tables anew from the event log."""

from typing import Annotated, Literal

import typer
from quintet.coordinator.v1 import event_log_pb2 as pb

from cli.client import TIMEOUT_SECONDS
from cli.job_results import run_remote
from cli.output import out, print_json, reported
from cli.progress import shown_progress
from shared.config import Settings
from shared.db import metric_marks
from shared.db.engine import Database
from shared.db.rebuild import rebuild_customers
from shared.db.revision import require_workable
from shared.progress import Show


def rebuild(
    what: Annotated[
        Literal["customer", "feedback", "metrics"],
        typer.Argument(help="What shoppers did, what came of recommendations, or facts and aggregates of metrics."),
    ],
    address: Annotated[str, typer.Option(help="Coordinator; default QUINTET_COORDINATOR_ADDRESS.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make the tables of an agent anew from the event log, beside serving.

    Each shopper has the old rows or the new ones at any time. It refuses when old events were deleted.

    `customer` (views, pages, carts, purchases, sessions) is done here, on the database, unless an address is given;
    lines of orders that had no amount get the product's present price, and `quintet train` renews embeddings and
    segments. `feedback` (responses to recommendations, credits for purchases) is done by the agents. `metrics` are
    noted here, on the database, and made anew by the feedback agent within minutes.

    Example: `quintet rebuild customer` or `quintet rebuild feedback`
    """
    if what == "metrics":
        _mark_metrics(as_json=as_json)
        return
    here = what == "customer" and not address
    with reported(), shown_progress(f"rebuilding {what}") as show:
        shoppers = _here(show) if here else _remote(address or Settings().coordinator_address, what, show)
    if as_json:
        print_json({"agent": what, "shoppers": shoppers})
    else:
        out.print(f"{shoppers:,} shoppers rebuilt", highlight=False)


def _mark_metrics(*, as_json: bool) -> None:
    with reported():
        database = Database(Settings().database_url)
        try:
            require_workable(database)
            with database.write() as connection:
                marked = metric_marks.mark_everything(connection)
        finally:
            database.close()
    if as_json:
        print_json({"agent": "metrics", "marked": marked})
    else:
        out.print(f"metrics of {marked:,} customers and lists will be made anew", highlight=False)


def _here(show: Show) -> int:
    database, done = Database(Settings().database_url), 0
    try:
        require_workable(database)
        for done, of in rebuild_customers(database):
            show(f"{done} of {of} shoppers", done / of)
    finally:
        database.close()
    return done


def _remote(address: str, what: str, show: Show) -> int:
    request = pb.RebuildProjectionRequest(agent=what)
    result = run_remote(address, lambda stub: stub.RebuildProjection(request, timeout=TIMEOUT_SECONDS).job, show)
    return int(result["shoppers"])
