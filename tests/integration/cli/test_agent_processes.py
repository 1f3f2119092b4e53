"""Processes that are ready become what they are told to be; without one the supervisor starts from nothing."""

import asyncio
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator

import pytest

from cli.agent_processes import SPARE_MODULE, SpareProcesses, environment_of, start_process
from shared.config import Settings

MODULE = "tests.support.says_who_it_is"
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def spares() -> AsyncIterator[SpareProcesses]:
    spares = SpareProcesses(Settings(spare_processes=1))
    yield spares
    await spares.stop()


def told(name: str) -> dict[str, str]:
    return environment_of(Settings()) | {"QUINTET_NAME": name}


async def said_by(process: Process) -> str:
    if process.stdin is not None:
        process.stdin.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        said, _ = await process.communicate()
    assert process.returncode == 0
    return said.decode()


async def ready(spares: SpareProcesses) -> Process:
    """Return a process that became the module, once there was one."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while (process := await spares.become(MODULE, told("feedback"))) is None:
            spares.fill()
            await asyncio.sleep(0.05)
    return process


async def test_it_runs_the_module_in_the_environment_and_has_no_input(spares: SpareProcesses) -> None:
    spares.fill()
    assert await said_by(await ready(spares)) == f"{MODULE} feedback ''\n"


async def test_without_a_process_that_is_ready_there_is_none(spares: SpareProcesses) -> None:
    assert await spares.become(MODULE, told("feedback")) is None


async def test_one_that_died_is_passed_over(spares: SpareProcesses) -> None:
    dead = await start_process(SPARE_MODULE, environment_of(Settings()), stdin=PIPE)
    dead.kill()
    await dead.wait()
    spares._ready.append(dead)
    assert await spares.become(MODULE, told("feedback")) is None


async def test_it_ends_when_its_supervisor_is_gone() -> None:
    process = await start_process(SPARE_MODULE, environment_of(Settings()), stdin=PIPE)
    assert await said_by(process) == ""  # its input ends


async def test_those_that_are_ready_are_stopped(spares: SpareProcesses) -> None:
    process = await start_process(SPARE_MODULE, environment_of(Settings()), stdin=PIPE)
    spares._ready.append(process)
    await spares.stop()
    assert process.returncode is not None
