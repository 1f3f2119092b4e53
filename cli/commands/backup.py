"""`quintet backup`, `quintet restore`, `quintet check`: copies of the database, the way back, whether it is whole."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from cli.output import EXIT_FAILED, out, print_json, reported
from cli.progress import shown_progress
from shared.config import Settings
from shared.db.backup import files
from shared.db.connect import job_database
from shared.db.engine import Database
from shared.db.integrity import check_database

MEGABYTE = 1_000_000
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def backup(
    file: Annotated[Path, typer.Argument(help="File to write; one of this name is replaced.")], as_json: AsJson = False
) -> None:
    """Copy the database to a file while the agents run. The file has personal data: only its owner may read it.

    Example: `quintet backup quintet-2026-03-01.backup`
    """
    with reported(), _database() as database, shown_progress("backup") as show:
        size = files.back_up(database, file, show)
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        out.print(f"{file}: {size / MEGABYTE:,.1f} MB", highlight=False)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `quintet backup` wrote.")],
    replace: Annotated[bool, typer.Option("--replace", help="Put it in the place of what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Restore a backup and bring it to the newest schema. Stop the agents first. A kill half-way changes nothing.

    Example: `quintet restore --replace quintet-2026-03-01.backup`
    """
    with reported(), _database() as database, shown_progress("restore") as show:
        files.restore(database, file, show, replace=replace)
    if as_json:
        print_json({"restored": str(file)})
    else:
        out.print(f"restored from {file}", highlight=False)


def check(as_json: AsJson = False) -> None:
    """Say whether the database is whole: storage, references, cursors, models. Exit code 1 when it is not.

    Example: `quintet check --json`
    """
    with reported(), _database() as database, shown_progress("check") as show:
        findings = check_database(database, show)
    whole = not any(each.problems for each in findings)
    if as_json:
        print_json({"whole": whole, "checks": {each.check: each.problems for each in findings}})
    else:
        for each in findings:
            out.print(f"{each.check:>12} {'; '.join(each.problems) or 'well'}", highlight=False, markup=False)
    if not whole:
        raise typer.Exit(EXIT_FAILED)


@contextmanager
def _database() -> Iterator[Database]:
    database = job_database(Settings())
    try:
        yield database
    finally:
        database.close()
