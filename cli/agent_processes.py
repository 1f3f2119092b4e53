"""Start processes of agents: from nothing, or forked from one that has imported what they need."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from collections import deque
from functools import partial
from typing import Any, Protocol

from shared.config import Settings
from shared.end_with_parent import end_with_parent

LONGEST_LINE = 1024 * 1024
FORK_SERVER_MODULE = "cli.fork_server"
CAN_FORK = sys.platform == "linux"
"""Whether there are sockets that keep messages apart, and a signal when a parent has ended."""


class AgentProcess(Protocol):
    """A process of an agent, as `asyncio.subprocess.Process` is one. `returncode` is None while it runs."""

    pid: int
    stdout: asyncio.StreamReader | None

    @property
    def returncode(self) -> int | None:
        """Exit code, or the negative number of the signal that ended it."""

    async def wait(self) -> int:
        """Wait until it has ended and return the code."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment of an agent with these settings."""
    given = {f"QUINTET_{name.upper()}": str(value) for name, value in settings.model_dump().items()}
    # One request at a time scores in each process: more BLAS threads only fight over the cores.
    return {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **given}


async def start_process(module: str, environment: dict[str, str]) -> AgentProcess:
    """Start a module as a process whose lines can be read, and which ends with this one."""
    return await _run(environment, module, stdout=PIPE, stderr=STDOUT, limit=LONGEST_LINE)


async def _run(environment: dict[str, str], *module: str, **more: Any) -> asyncio.subprocess.Process:
    """Run a module with its arguments in a process that ends with this one."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *module,
        stdin=DEVNULL,
        env=environment,
        start_new_session=True,  # Ctrl-C is for the supervisor, which then stops the agents in order
        preexec_fn=partial(end_with_parent, signal.SIGTERM),
        **more,
    )


class ForkedProcess:
    """A process of which the fork server says when it has ended."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.stdout: asyncio.StreamReader | None = None
        self._code = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        """Exit code, or the negative number of the signal that ended it; None while it runs."""
        return self._code.result() if self._code.done() else None

    def ended(self, code: int) -> None:
        """Note that it has ended."""
        if not self._code.done():
            self._code.set_result(code)

    async def wait(self) -> int:
        """Wait until it has ended and return the code."""
        return int(await asyncio.shield(self._code))

    def terminate(self) -> None:
        """Ask it to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


class ForkServer:
    """The process that forks agents (`cli.fork_server`), as long as it runs."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._control: socket.socket | None = None
        self._server: asyncio.subprocess.Process | None = None
        self._asked: deque[asyncio.Future[ForkedProcess | None]] = deque()
        self._forked: dict[int, ForkedProcess] = {}

    async def start(self) -> None:
        """Start it, unless it runs or this system cannot fork agents. It forks once it has imported."""
        if self._control is not None or not CAN_FORK:
            return
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control = ours
        ours.setblocking(False)
        asyncio.get_running_loop().add_reader(ours, self._hear)
        with its:
            number = its.fileno()
            self._server = await _run(self._environment, FORK_SERVER_MODULE, str(number), pass_fds=[number])

    async def fork(self, module: str, environment: dict[str, str]) -> AgentProcess | None:
        """Return a new process that runs a module; None where there is no server that could fork it."""
        if self._control is None:
            return None
        answer: asyncio.Future[ForkedProcess | None] = asyncio.get_running_loop().create_future()
        message = json.dumps({"module": module, "environment": environment}).encode()
        ours, its = os.pipe()
        try:
            socket.send_fds(self._control, [message], [its])
        except OSError:  # it has ended, or does not read
            os.close(ours)
            return None
        finally:
            os.close(its)
        self._asked.append(answer)
        process = await answer
        if process is None:
            os.close(ours)
            return None
        process.stdout = await _lines_of(ours)
        return process

    async def stop(self) -> None:
        """End it, and those that it forked if any still run. Safe to repeat."""
        for process in list(self._forked.values()):
            process.kill()
            await process.wait()
        self._gone()
        server, self._server = self._server, None
        if server is not None and server.returncode is None:
            server.kill()
            await server.wait()

    def _hear(self) -> None:
        """Take up what the server says."""
        assert self._control is not None  # noqa: S101 - for the type checker: it is what is read
        try:
            message = self._control.recv(LONGEST_LINE)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._gone()
            return
        said = json.loads(message)
        if "forked" in said:
            process = self._forked[said["forked"]] = ForkedProcess(said["forked"])
            _answer(self._asked.popleft(), process)
        else:
            self._forked.pop(said["ended"]).ended(said["code"])

    def _gone(self) -> None:
        """Note that the server has ended: those that it forked are told to end by the system."""
        control, self._control = self._control, None
        if control is None:
            return
        asyncio.get_running_loop().remove_reader(control)
        control.close()
        while self._asked:
            _answer(self._asked.popleft(), None)
        while self._forked:
            _, process = self._forked.popitem()
            _watch(process)


def _answer(asked: asyncio.Future[ForkedProcess | None], process: ForkedProcess | None) -> None:
    """Give whoever asked the process, unless they no longer wait: it is stopped with the server then."""
    if not asked.done():
        asked.set_result(process)


def _watch(process: ForkedProcess) -> None:
    """Note when a process has ended that nobody else tells of; it was told to end by SIGTERM."""
    try:
        watched = os.pidfd_open(process.pid)
    except ProcessLookupError:
        process.ended(-signal.SIGTERM)
        return
    loop = asyncio.get_running_loop()

    def ended() -> None:
        loop.remove_reader(watched)
        os.close(watched)
        process.ended(-signal.SIGTERM)

    loop.add_reader(watched, ended)


async def _lines_of(descriptor: int) -> asyncio.StreamReader:
    """Return a reader of a pipe, which is closed at its end."""
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    pipe = os.fdopen(descriptor, "rb", buffering=0)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader
