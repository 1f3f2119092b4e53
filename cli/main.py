"""The operator's command line: `quintet COMMAND`."""

import os
from typing import Annotated

import typer

from cli.commands.attribution import attribution
from cli.commands.backup import backup, check, restore
from cli.commands.certs import certs
from cli.commands.demo import demo
from cli.commands.demo_data import demo_data
from cli.commands.doctor import doctor
from cli.commands.evaluate import evaluate
from cli.commands.event import event
from cli.commands.events import events
from cli.commands.experiment import experiment
from cli.commands.export import export
from cli.commands.export_training import export_training
from cli.commands.import_ import import_command
from cli.commands.improvement import improvement
from cli.commands.jobs import jobs
from cli.commands.keys import keys
from cli.commands.lifetime_values import lifetime_values
from cli.commands.metrics import metrics
from cli.commands.migrate import migrate
from cli.commands.models import models
from cli.commands.optimize import optimize
from cli.commands.placements import placements
from cli.commands.rebuild import rebuild
from cli.commands.recommend import recommend
from cli.commands.rules import rules
from cli.commands.schedule import schedule
from cli.commands.status import status
from cli.commands.train import train
from cli.commands.tune import tune
from cli.commands.up import up
from cli.commands.weights import weights
from cli.commands.what_if import what_if

app = typer.Typer(
    help="Quintet: recommendations that follow each customer's behaviour. Settings come from QUINTET_* variables.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    rich_markup_mode="markdown",
)


@app.callback()
def options(
    key_file: Annotated[
        str, typer.Option(help="File with the API key; else QUINTET_API_KEY or QUINTET_API_KEY_FILE.")
    ] = "",
) -> None:
    """Take what holds for every command."""
    if key_file:
        os.environ |= {"QUINTET_API_KEY": "", "QUINTET_API_KEY_FILE": key_file}


app.command("import")(import_command)
app.command("demo-data")(demo_data)
app.command("export-training")(export_training)
app.command("lifetime-values")(lifetime_values)
app.command("what-if")(what_if)
for command in (
    train,
    tune,
    evaluate,
    up,
    status,
    metrics,
    doctor,
    recommend,
    event,
    attribution,
    optimize,
    export,
    migrate,
    rebuild,
    certs,
    backup,
    restore,
    check,
    demo,
):
    app.command()(command)
app.add_typer(experiment, name="experiment")
app.add_typer(placements, name="placements")
app.add_typer(rules, name="rules")
app.add_typer(events, name="events")
app.add_typer(keys, name="keys")
app.add_typer(jobs, name="jobs")
app.add_typer(schedule, name="schedule")
app.add_typer(models, name="models")
app.add_typer(weights, name="weights")
app.add_typer(improvement, name="improvement")


if __name__ == "__main__":
    app()
