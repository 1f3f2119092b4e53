"""Processes are forked from one that has imported what agents need; they end as others do, and never outlive it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from cli.agent_processes import AgentProcess, ForkServer, environment_of, start_process
from shared.config import Settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="agents are forked on Linux only")

MODULE = "tests.support.says_who_it_is"
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def server() -> AsyncIterator[ForkServer]:
    server = ForkServer(environment_of(Settings()))
    await server.start()
    yield server
    await server.stop()


def told(name: str, waits: str = "") -> dict[str, str]:
    return environment_of(Settings()) | {"QUINTET_NAME": name, "QUINTET_WAITS": waits}


async def forked(server: ForkServer, name: str, waits: str = "") -> AgentProcess:
    async with asyncio.timeout(PATIENCE_SECONDS):
        process = await server.fork(MODULE, told(name, waits))
    assert process is not None
    return process


async def said_by(process: AgentProcess) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await process.stdout.readline()).decode()


async def code_of(process: AgentProcess) -> int:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await process.wait()


async def test_it_runs_the_module_in_the_environment_and_has_no_input(server: ForkServer) -> None:
    processes = [await forked(server, name) for name in ("feedback", "product")]
    assert [await said_by(each) for each in processes] == [f"{MODULE} feedback ''\n", f"{MODULE} product ''\n"]
    assert [await code_of(each) for each in processes] == [0, 0]
    assert [each.returncode for each in processes] == [0, 0]


async def test_it_is_stopped_and_killed_as_others_are(server: ForkServer) -> None:
    for stop, number in (("terminate", signal.SIGTERM), ("kill", signal.SIGKILL)):
        process = await forked(server, "customer", waits="yes")
        await said_by(process)
        assert process.returncode is None
        getattr(process, stop)()
        assert await code_of(process) == -number


async def test_it_has_one_thread_and_a_session_of_its_own(server: ForkServer) -> None:
    process = await forked(server, "customer", waits="yes")
    await said_by(process)
    assert len(os.listdir(f"/proc/{process.pid}/task")) == 1
    assert os.getsid(process.pid) == process.pid


async def test_all_end_with_the_server(server: ForkServer) -> None:
    processes = [await forked(server, name, waits="yes") for name in ("customer", "product")]
    for each in processes:
        await said_by(each)
    assert server._server is not None
    server._server.kill()
    assert [await code_of(each) for each in processes] == [-signal.SIGTERM] * 2
    assert await server.fork(MODULE, told("customer")) is None, "nobody is there to fork it"
    await server.start()
    assert await said_by(await forked(server, "customer")) == f"{MODULE} customer ''\n"


async def test_it_ends_with_all_when_its_supervisor_is_gone(server: ForkServer) -> None:
    process = await forked(server, "customer", waits="yes")
    await said_by(process)
    assert server._server is not None
    server._gone()  # closes the socket, as the end of a supervisor does
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await server._server.wait() == 0
    assert await code_of(process) == -signal.SIGTERM


async def test_without_a_server_there_is_no_process() -> None:
    assert await ForkServer(environment_of(Settings())).fork(MODULE, told("feedback")) is None


async def test_what_still_runs_ends_when_the_server_is_stopped(server: ForkServer) -> None:
    process = await forked(server, "customer", waits="yes")
    await said_by(process)
    await server.stop()
    assert process.returncode == -signal.SIGKILL


async def test_a_process_from_nothing_does_the_same() -> None:
    process = await start_process(MODULE, told("feedback"))
    assert await said_by(process) == f"{MODULE} feedback ''\n"
    assert await code_of(process) == 0
