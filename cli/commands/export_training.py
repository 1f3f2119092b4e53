"""`quintet export-training`: what models learn from, as files for a warehouse."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output import out, print_json, reported
from shared.config import Settings
from shared.db.connect import job_database
from shared.db.revision import require_workable


def export_training(
    folder: Annotated[Path, typer.Argument(help="Folder to make.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write what customers did with products as Parquet files, while the agents run. Shoppers who do not agree to
    `train` are left out. The files have ids of shoppers: who is erased here has to be erased there, too.

    Example: `quintet export-training /data/interactions`
    """
    from shared.db.warehouse import folder_batches  # with pyarrow, which other commands start faster without
    from shared.interaction_files import write_interactions

    settings = Settings()
    database = job_database(settings)
    try:
        with reported():
            require_workable(database)
            with database.read() as connection:
                rows = write_interactions(folder, folder_batches(connection, settings.permissions))
    finally:
        database.close()
    if as_json:
        print_json({"folder": str(folder), "rows": rows})
    else:
        out.print(f"{folder}: {rows:,} rows", highlight=False)
