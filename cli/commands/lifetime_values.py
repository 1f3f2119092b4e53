"""`quintet lifetime-values`: predict what customers will spend."""

import asyncio
from typing import Annotated, Any

import typer

from cli.output import out, print_json, reported
from cli.progress import shown_progress
from shared.config import Settings
from shared.jobs import run_job
from shared.money import decimals
from shared.progress import Show

MODULE = "services.feedback.lifetime_values.job"


def lifetime_values(
    days: Annotated[int, typer.Option(min=1, max=3_650, help="How far to predict.")] = 365,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Predict what every customer will spend, on the database, by BG/NBD and gamma-gamma.

    Needs `pip install quintet[clv]`. The predictions are the metric predicted_lifetime_value until the next time.

    Example: `quintet lifetime-values --days 365`
    """
    with reported(), shown_progress("predicting lifetime values") as show:
        result = asyncio.run(_run(days, show))
    if as_json:
        print_json(result)
        return
    for currency, said in result["currencies"].items():
        places = decimals(currency)
        mean = f"{said['mean'] / 10**places:,.{places}f} {currency}"
        out.print(f"{said['customers']:,} customers, on average {mean} in {days} days", highlight=False)


async def _run(days: int, show: Show) -> dict[str, Any]:
    result: dict[str, Any] = {}
    async for progress in run_job(MODULE, Settings(), str(days)):
        show(progress.stage, progress.fraction)
        result = progress.result or result
    return result
