"""`quintet rebuild`: make tables anew from the event log."""

from typing import Annotated, Literal

import typer

from cli.output import out, print_json, reported
from shared.config import Settings
from shared.db.engine import Database
from shared.db.rebuild import rebuild_customers
from shared.db.revision import require_workable


def rebuild(
    what: Annotated[Literal["customer"], typer.Argument(help="Whose tables: `customer` is what customers did.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make what customers did (views, pages, carts, purchases, sessions) anew from the event log, beside serving.

    Each customer has the old rows or the new ones at any time. It refuses when old events were deleted. Lines of orders
    that had no amount get the product's present price. Run `quintet train` afterwards for embeddings and segments.

    Example: `quintet rebuild customer`
    """
    database = Database(Settings().database_url)
    done = 0
    try:
        with reported():
            require_workable(database)
            for done, of in rebuild_customers(database):
                if not as_json and done % 1_000 < 100:
                    out.print(f"{what}: {done:,} of {of:,} customers", highlight=False)
    finally:
        database.close()
    if as_json:
        print_json({"customers": done})
    else:
        out.print(f"{done:,} customers rebuilt", highlight=False)
