"""`quintet migrate`: create or upgrade the schema."""

from typing import Annotated

import typer

from cli.output import out, print_json, reported
from shared.config import Settings
from shared.db import migrate as migrations
from shared.db.connect import job_database


def migrate(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Create the schema, or bring it to the newest revision. Safe to repeat.

    Example: `QUINTET_DATABASE_URL=postgresql://quintet@db/quintet quintet migrate`
    """
    settings = Settings()
    with reported():
        database = job_database(settings)
        revision = migrations.migrate(database)
        database.close()
    if as_json:
        print_json({"revision": revision})
    else:
        out.print(f"schema is at revision {revision}", highlight=False)
