"""Start processes of agents: from nothing, or in a process that is ready to become one."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from functools import partial

from shared.config import Settings
from shared.end_with_parent import end_with_parent

LONGEST_LINE = 1024 * 1024
REFILL_SECONDS = 3.0
"""Between the start of an agent and that of the process that will be ready next: the agent has the cores first."""
SPARE_MODULE = "cli.spare_process"


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of an agent with these settings."""
    given = {f"QUINTET_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    # One request at a time scores in each process: more BLAS threads only fight over the cores.
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **given}


async def start_process(module: str, environment: dict[str, str], *, stdin: int = DEVNULL) -> Process:
    """Start a module as a process whose lines can be read, and which ends with this one."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=stdin,
        stdout=PIPE,
        stderr=STDOUT,
        env=environment,
        limit=LONGEST_LINE,
        start_new_session=True,  # Ctrl-C is for the supervisor, which then stops the agents in order
        preexec_fn=partial(end_with_parent, signal.SIGTERM),
    )


class SpareProcesses:
    """Keeps as many processes as `settings` say ready to become any agent."""

    def __init__(self, settings: Settings) -> None:
        self._environment = environment_of(settings)
        self._count = settings.spare_processes
        self._ready: list[Process] = []
        self._refill: asyncio.Task[None] | None = None

    def fill(self, after_seconds: float = 0.0) -> None:
        """Have as many ready as there should be, some time from now."""
        if self._count and (self._refill is None or self._refill.done()):
            self._refill = asyncio.create_task(self._fill(after_seconds))

    async def become(self, module: str, environment: dict[str, str]) -> Process | None:
        """Have a process run a module and return it; None where none is ready. Later another will be."""
        self.fill(REFILL_SECONDS)
        while self._ready:
            process = self._ready.pop(0)
            if process.returncode is None and await _told(process, module, environment):
                return process
        return None

    async def stop(self) -> None:
        """End those that are ready. Safe to repeat."""
        if self._refill is not None:
            self._refill.cancel()
            await asyncio.gather(self._refill, return_exceptions=True)
        for process in self._ready:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self._ready.clear()

    async def _fill(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        while len(self._ready) < self._count:
            self._ready.append(await start_process(SPARE_MODULE, self._environment, stdin=PIPE))


async def _told(process: Process, module: str, environment: dict[str, str]) -> bool:
    """Tell a process what to run, and say whether it was there to hear it."""
    assert process.stdin is not None  # noqa: S101 - for the type checker: it is piped
    try:
        process.stdin.write(json.dumps({"module": module, "environment": environment}).encode() + b"\n")
        await process.stdin.drain()
        process.stdin.close()
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True
