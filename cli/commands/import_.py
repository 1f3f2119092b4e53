"""`quintet import`: customers, products and events from files."""

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from cli.importing.errors import ImportAborted
from cli.importing.request import Imported, ImportRequest, import_files
from cli.importing.run import Summary
from cli.output import EXIT_FAILED, EXIT_USAGE, fail, out, print_json
from cli.progress import shown_progress
from shared.config import Settings
from shared.errors import QuintetError


class KindArgument(StrEnum):
    """What the files hold."""

    customers = "customers"
    products = "products"
    events = "events"


class Guests(StrEnum):
    """What becomes of events of nobody."""

    reject = "reject"
    visitor = "visitor"


class Negative(StrEnum):
    """What becomes of purchase rows with a negative quantity."""

    reject = "reject"
    refund = "refund"


class ExistingArgument(StrEnum):
    """What becomes of customers and products that are known."""

    update = "update"
    replace = "replace"  # type: ignore[assignment]  # of a text: nobody calls it on this one
    keep = "keep"


def import_command(
    kind: Annotated[KindArgument, typer.Argument(help="What the files hold.", show_default=False)],
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="CSV, JSONL or Parquet; gzip too.", show_default=False)
    ],
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="THEIRS=OURS", help="A column of the file and ours, e.g. SKU=product_id."),
    ] = None,
    database_url: Annotated[str, typer.Option(help="Database; default QUINTET_DATABASE_URL.")] = "",
    currency: Annotated[str, typer.Option(help="ISO 4217 code of amounts without a currency.")] = "USD",
    timezone: Annotated[str, typer.Option(help="Time zone of times without one, e.g. Europe/London.")] = "UTC",
    event_type: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[THEIRS=]OURS",
            help="Type of events without one; or what a name of the file means, fav=custom:fav.",
        ),
    ] = None,
    guests: Annotated[Guests, typer.Option(help="Events of nobody: refuse, or one visitor per order.")] = Guests.reject,
    negative_quantity: Annotated[
        Negative, typer.Option(help="Purchase rows below 0: refuse, or refund the latest earlier order.")
    ] = Negative.reject,
    create_customers: Annotated[
        bool, typer.Option("--create-customers", help="Add customers that events name and nobody registered.")
    ] = False,
    existing: Annotated[
        ExistingArgument,
        typer.Option(help="What is known: update by what a row gives, replace products whole, or keep it as it is."),
    ] = ExistingArgument.update,
    reconcile: Annotated[
        bool,
        typer.Option("--reconcile", help="The files are the whole catalogue: delete products that no row names."),
    ] = False,
    max_retired: Annotated[
        float, typer.Option(help="Largest share of the catalogue that --reconcile may delete, 0 to 1.")
    ] = 0.5,
    rejects: Annotated[
        Path | None,
        typer.Option(help="File of rejected rows; a folder for several FILEs.", show_default="FILE.rejects.jsonl"),
    ] = None,
    shift_to_now: Annotated[
        bool,
        typer.Option("--shift-to-now", help="Add whole weeks to all times, so that the newest is in the last one."),
    ] = False,
    shift_weeks: Annotated[int, typer.Option(help="Weeks to add to all times.")] = 0,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row, without its batch.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check; write nothing but the rejects.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew instead of at the checkpoint.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
) -> None:
    """Import customers, products or events from files. Continues where an interrupted import stopped.

    Exit codes: 0 all rows are in; 1 done, but some rows were rejected (see the rejects file); 2 stopped: bad
    arguments, an unreadable file, missing columns, no database, or a bad row with `--strict`.

    Example: `quintet import events orders.csv.gz --map StockCode=product_id --event-type purchase --currency GBP`
    """
    try:
        request = ImportRequest(
            kind=kind.value,
            files=tuple(files),
            mapping=tuple(mapping or ()),
            database_url=database_url or Settings().database_url,
            currency=currency,
            timezone=timezone,
            event_types=tuple(event_type or ()),
            guests=guests.value,
            negative_quantity=negative_quantity.value,
            create_customers=create_customers,
            existing=existing.value,
            reconcile=reconcile,
            max_retired=max_retired,
            rejects=rejects,
            shift_to_now=shift_to_now,
            shift_weeks=shift_weeks,
            strict=strict,
            dry_run=dry_run,
            restart=restart,
        )
        with shown_progress(f"importing {kind.value}") as show:
            done = import_files(request, show)
    except (ImportAborted, QuintetError) as error:
        fail(str(error), EXIT_USAGE)
    summaries = done.files
    _print(kind.value, done, as_json=as_json, dry_run=dry_run)
    if any(summary.rejected for summary in summaries):
        raise typer.Exit(EXIT_FAILED)


def _print(kind: str, done: Imported, *, as_json: bool, dry_run: bool) -> None:
    summaries, total = done.files, _total(done.files)
    if as_json:
        print_json(
            {
                "kind": kind,
                "dry_run": dry_run,
                **total,
                "retired": done.retired,
                "files": [asdict(each) for each in summaries],
            }
        )
        return
    table = Table(box=None)
    for heading in ("file", "read", "imported", "duplicates", "rejected", "seconds"):
        table.add_column(heading, justify="left" if heading == "file" else "right", overflow="fold")
    for each in summaries:
        counts = (each.read, each.imported, each.duplicates, each.rejected)
        table.add_row(escape(each.file), *(f"{count:,}" for count in counts), f"{each.seconds:.1f}")
    out.print(table)
    for each in summaries:
        _print_notes(each)
    if done.retired is not None:
        out.print(
            f"{done.retired:,} products that no row names {'would be' if dry_run else 'are'} deleted", highlight=False
        )
    what = "checked" if dry_run else "imported"
    out.print(f"{what} {kind}: {total['rows_per_second']:,.0f} rows/s", highlight=False)


def _print_notes(summary: Summary) -> None:
    notes = []
    if summary.resumed_at:
        notes.append(f"continued after {summary.resumed_at:,} rows")
    if summary.ignored_columns:
        notes.append(f"not used: {', '.join(summary.ignored_columns)}")
    if summary.rejected:
        notes.append(f"rejected rows are in {summary.rejects_file}")
    for note in notes:
        out.print(f"{summary.file}: {note}", markup=False, highlight=False, soft_wrap=True)


def _total(summaries: list[Summary]) -> dict[str, float]:
    names = ("read", "imported", "duplicates", "rejected", "seconds")
    total = {name: sum(getattr(summary, name) for summary in summaries) for name in names}
    done = total["read"] - sum(summary.resumed_at for summary in summaries)
    total["seconds"] = round(total["seconds"], 3)
    return {**total, "rows_per_second": round(done / max(total["seconds"], 1e-3), 1)}
