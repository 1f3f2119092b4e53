"""What the process of every agent is made of: checks, samples of its performance, durable commits, threads by kind."""

import asyncio
import threading
from importlib import import_module
from typing import Any

import pytest

from shared.config import AGENTS, Settings
from shared.db import sqlite
from shared.db.engine import Database
from shared.errors import FailedPrecondition
from shared.rpc.rights import Work
from shared.rpc.server import AgentServer, _with_threads
from shared.rpc.threads import THREADS, work
from tests.support.events import rows

CHECKS = {"recommendation": {"database", "model"}}
"""Checks of agents that have others than that of their database."""


def settings(database: Database) -> Settings:
    ports: dict[str, Any] = {f"{agent}_port": 0 for agent in AGENTS}
    return Settings(_env_file=None, database_url=database.url, http_port=0, monitor_seconds=0.05, **ports)


@pytest.mark.parametrize("agent", AGENTS)
async def test_an_agent_checks_its_database_and_samples_its_performance(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, agent: str
) -> None:
    module = import_module(f"services.{agent}.server")
    found: dict[str, str] = {}

    async def ask_each_check(server: AgentServer, *_: Any) -> None:
        for name, check in server._readiness._checks.items():
            found[name] = await asyncio.to_thread(check)
        async with asyncio.timeout(30):
            while {row["agent"] for row in rows(sqlite_database, "agent_samples")} != {agent}:
                await asyncio.sleep(0.01)

    monkeypatch.setattr(module, "serve_until_stopped", ask_each_check)
    await module.main(settings(sqlite_database))
    assert found == dict.fromkeys(CHECKS.get(agent, {"database"}), "")


@pytest.mark.parametrize("agent", AGENTS)
async def test_an_agent_does_not_start_where_commits_could_be_lost(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, agent: str
) -> None:
    module = import_module(f"services.{agent}.server")

    async def started(*_: Any) -> None:
        raise AssertionError("it serves")

    monkeypatch.setattr(module, "serve_until_stopped", started)
    monkeypatch.setattr(sqlite, "PRAGMAS", (*sqlite.PRAGMAS, "synchronous=NORMAL"))
    with pytest.raises(FailedPrecondition, match="synchronous"):
        await module.main(settings(sqlite_database))


def test_threads_of_a_process_are_apart_by_kind_of_work() -> None:
    release = threading.Event()

    async def answer_beside_reports() -> None:
        work.set(Work.REPORT)
        reports = [asyncio.ensure_future(asyncio.to_thread(release.wait)) for _ in range(10 * sum(THREADS.values()))]
        await asyncio.sleep(0)  # they begin
        work.set(Work.SERVE)
        try:
            async with asyncio.timeout(10):
                assert await asyncio.to_thread(lambda: "page") == "page"
        finally:
            release.set()
            await asyncio.gather(*reports)

    asyncio.run(_with_threads(answer_beside_reports()))
