"""A server that runs takes over its live settings when their file changes, and when it is told by SIGHUP."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from shared import live_settings
from shared.config import Settings
from shared.rpc import server as server_module
from shared.rpc.server import AgentServer, serve_until_stopped


@pytest.fixture(autouse=True)
def logs_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(server_module, "keep_out_what_is_there", lambda: None)  # this process runs the other tests too
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
async def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[int, Callable[[], Any]]:
    """What the server would do at each signal."""
    found: dict[int, Callable[[], Any]] = {}
    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", found.__setitem__)
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("told", [False, True])
async def test_limits_and_log_level_change_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handlers: dict[int, Callable[[], Any]], told: bool
) -> None:
    monkeypatch.setattr(live_settings, "LOOK_EVERY_SECONDS", 3600.0 if told else 0.01)
    file = tmp_path / "live"
    settings = Settings(_env_file=None, product_port=0, drain_seconds=0, live_settings_file=str(file))
    server = AgentServer("product", settings, [])
    file.write_text("QUINTET_RATE_LIMIT_FACTOR=2\n")
    serving = asyncio.create_task(serve_until_stopped(server))
    await until(lambda: server.guard.rate_factor == 2)  # the look at the start is over
    file.write_text("QUINTET_RATE_LIMIT_FACTOR=0.5\nQUINTET_CONCURRENCY_LIMIT_FACTOR=3\nQUINTET_LOG_LEVEL=error\n")
    if told:
        handlers[signal.SIGHUP]()
    await until(lambda: server.guard.rate_factor == 0.5)
    assert server.guard.admission.of_one_caller == 3
    assert not structlog.get_logger().bind().is_enabled_for(logging.WARNING)
    handlers[signal.SIGTERM]()
    await asyncio.wait_for(serving, 10)
