"""`python -m cli.fork_server FD`: a process that has imported what agents need and forks one for each message.

Imports, and machine code that is read from the disk, are most of the time that an agent takes to start. FD is one end
of a socket that keeps messages apart (`SOCK_SEQPACKET`). A message to it is JSON with `module`, the module to run, and
`environment`, and brings the descriptor that the agent writes to. The answer is `{"forked": PID}`, and when the agent
ends `{"ended": PID, "code": CODE}`, in the order in which it happens. When the other end is closed, this process ends,
and with it those that it forked.
"""

import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from shared.compiled import load_compiled
from shared.config import AGENTS
from shared.end_with_parent import end_with_parent

MODULES = (
    "shared.db.backup.files",
    "shared.monitoring.monitor",
    "services.coordinator.http.server",
    *(f"services.{agent}.{module}" for agent in AGENTS for module in ("agent", "servicer")),
)
"""What agents import, by name as they are started. Their metrics are those of `shared.telemetry`, the same for all.

None of them starts a thread or opens a connection when it is imported: neither would survive a fork.
"""
LONGEST_MESSAGE = 1024 * 1024
QUIET_SECONDS = 5.0
"""Without a message: all agents have started."""


class Told(NamedTuple):
    """What a process that was forked is told to be; `output` is the descriptor to write to."""

    module: str
    environment: dict[str, str]
    output: int


def main() -> None:
    """Import, fork whatever is asked for, and in a forked process run the agent until it ends."""
    for module in MODULES:
        importlib.import_module(module)
    _share()
    with socket.socket(fileno=int(sys.argv[1])) as control:
        told = _serve(control)
    if told is not None:
        _become(told)


def _share() -> None:
    """Keep pages with what there is now shared with those that are forked: no collection writes to them."""
    gc.collect()
    gc.freeze()


def _load_compiled() -> None:
    """Load compiled loops. Without them those that are forked work all the same: they load them at the first call."""
    try:
        load_compiled()
    except Exception:  # whatever is wrong with files on the disk must not end all agents
        traceback.print_exc()
    _share()


def _serve(control: socket.socket) -> Told | None:
    """Fork until the other end is closed. Returns what to be in a process that was forked, None in this one.

    Compiled loops are loaded once nothing was asked for in a while: the first agents need not wait for them.
    """
    patience: float | None = QUIET_SECONDS
    with _endings() as endings, selectors.DefaultSelector() as selector:
        for file in (control, endings):
            selector.register(file, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select(patience)}
            if not ready:
                _load_compiled()
                patience = None
            if control in ready:
                told = _received(control)
                if told is None or _forked(control, told):
                    return told
            if endings in ready:
                endings.recv(LONGEST_MESSAGE)
                for pid, code in _ended():
                    _say(control, ended=pid, code=code)


def _forked(control: socket.socket, told: Told) -> bool:
    """Fork, and say whether this is the new process; the one that forks tells the other end."""
    server = os.getpid()
    pid = os.fork()
    if not pid:
        _leave(server)
        return True
    os.close(told.output)
    _say(control, forked=pid)
    return False


@contextmanager
def _endings() -> Iterator[socket.socket]:
    """Give a socket that has something to read once a child has ended."""
    woken, wakes = socket.socketpair()
    with woken, wakes:
        wakes.setblocking(False)
        before = signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        try:
            yield woken
        finally:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, before)


def _received(control: socket.socket) -> Told | None:
    """Return what is asked for; None when the other end is closed."""
    message, descriptors, _, _ = socket.recv_fds(control, LONGEST_MESSAGE, 1)
    if not message:
        return None
    told = json.loads(message)
    return Told(told["module"], told["environment"], descriptors[0])


def _ended() -> Iterator[tuple[int, int]]:
    """Yield the children that have ended, and their exit codes; negative ones are signals."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def _say(control: socket.socket, **said: Any) -> None:
    control.send(json.dumps(said).encode())


def _leave(server: int) -> None:
    """Make a process that was forked one of its own, which ends with the one that forked it."""
    os.setsid()  # Ctrl-C is for the supervisor, which then stops the agents in order
    end_with_parent(signal.SIGTERM)
    if os.getppid() != server:  # it ended before it could be said
        raise SystemExit(1)


def _become(told: Told) -> None:
    """Run the module as a process that was started with it would."""
    os.dup2(told.output, sys.stdout.fileno())
    os.dup2(told.output, sys.stderr.fileno())
    os.close(told.output)
    os.environ.clear()
    os.environ.update(told.environment)
    sys.argv = [told.module]
    runpy.run_module(told.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
