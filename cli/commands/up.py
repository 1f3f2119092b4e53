"""`quintet up`: the five agents as five processes."""

import asyncio
import json
import signal
from typing import Annotated

import typer

from cli.output import out, print_json, reported
from cli.supervisor import Supervisor
from shared.config import AGENTS, Agent, Settings
from shared.db.connect import job_database
from shared.db.revision import NEWEST, current_revision

COLOURS = {
    "coordinator": "cyan",
    "customer": "green",
    "product": "yellow",
    "recommendation": "magenta",
    "feedback": "blue",
}


def up(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line of log.")] = False,
    with_migration: Annotated[
        bool, typer.Option("--migrate/--no-migrate", help="Create or upgrade the schema first.")
    ] = True,
) -> None:
    """Start the five agents, restart those that die, stop all on Ctrl-C.

    Example: `QUINTET_DATABASE_URL=sqlite:///shop.db quintet up`
    """
    settings = Settings()
    with reported():
        if with_migration:
            _migrate(settings)
        asyncio.run(_supervise(settings, as_json))


def _migrate(settings: Settings) -> None:
    """Bring the schema up to date; where it is, Alembic is not even loaded."""
    database = job_database(settings)
    if current_revision(database) != NEWEST:
        from shared.db.migrate import migrate

        migrate(database)
    database.close()


async def _supervise(settings: Settings, as_json: bool) -> None:
    supervisor = Supervisor(settings, _print_json_line if as_json else print_line)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    starting = asyncio.create_task(supervisor.start())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
    try:
        if starting.done():
            starting.result()
            _say_ready(settings, as_json)
            await stopped
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
    finally:
        stopped.cancel()
        await supervisor.stop()


def _say_ready(settings: Settings, as_json: bool) -> None:
    if as_json:
        print_json({"ready": True, "coordinator": settings.coordinator_address})
        return
    ports = ", ".join(f"{agent} {_ports(agent, settings)}" for agent in AGENTS)
    out.print(f"[bold]ready[/] · {ports} · Ctrl-C stops", highlight=False)


def _ports(agent: Agent, settings: Settings) -> str:
    return " and ".join(str(settings.of_replica(agent, each).port(agent)) for each in range(settings.replicas(agent)))


def print_line(agent: Agent, line: str) -> None:
    """Print a line of an agent's log, with the agent's name in its colour before it."""
    out.print(f"[{COLOURS[agent]}]{agent:>14}[/] │ ", end="", highlight=False)
    out.print(line, markup=False, highlight=False)


def _print_json_line(agent: Agent, line: str) -> None:
    try:
        said = json.loads(line)
    except ValueError:
        said = {"event": line}
    print_json({**(said if isinstance(said, dict) else {"event": said}), "agent": agent})
