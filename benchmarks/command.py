"""Running `quintet` as a person does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.machine import ROOT

GRACE_SECONDS = 30


class TooSlow(Exception):
    """A command took longer than it was given."""


def quintet(environment: Mapping[str, str], *arguments: str, minutes: float | None = None) -> Any:
    """Run a command and return what it printed, as JSON where `--json` was given. A failure ends the benchmark.

    Raises TooSlow when it takes longer than `minutes`; then it is interrupted, as by Ctrl-C.
    """
    command = [sys.executable, "-m", "cli.main", *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            printed, _ = process.communicate(timeout=None if minutes is None else 60 * minutes)
        except subprocess.TimeoutExpired as error:
            _interrupt(process)
            raise TooSlow(f"quintet {arguments[0]} took more than {minutes:g} minutes") from error
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise SystemExit(f"quintet {' '.join(arguments)} failed with exit code {process.returncode}")
    return json.loads(printed) if "--json" in arguments else printed


def _interrupt(process: "subprocess.Popen[str]") -> None:
    """Ask a process to end as Ctrl-C does, so that it ends its own children, and kill it when it does not."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
