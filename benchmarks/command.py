"""Running `quintet` as a person does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT

GRACE_SECONDS = 30
SOME_REJECTED = 1
"""Exit code of an import that is done, but rejected some rows."""


class TooSlow(Exception):
    """A command took longer than it was given."""


def quintet(
    environment: Mapping[str, str], *arguments: str, minutes: float | None = None, accepted: Container[int] = (0,)
) -> Any:
    """Run a command and return what it printed, as JSON where `--json` was given.

    An exit code that is not `accepted` ends the benchmark. Raises TooSlow when it takes longer than `minutes`; then it
    is interrupted, as by Ctrl-C.
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
    if process.returncode not in accepted:
        raise SystemExit(f"quintet {' '.join(arguments)} failed with exit code {process.returncode}")
    return json.loads(printed) if "--json" in arguments else printed


def import_file(
    environment: Mapping[str, str], kind: str, file: Path, *options: str, minutes: float | None = None
) -> dict[str, Any]:
    """Import a file and return the command's summary of it: `imported` and `rejected` rows, `seconds`, and others."""
    arguments = ("import", kind, str(file), *options, "--json")
    printed = quintet(environment, *arguments, minutes=minutes, accepted=(0, SOME_REJECTED))
    return dict(printed["files"][0])


def _interrupt(process: "subprocess.Popen[str]") -> None:
    """Ask a process to end as Ctrl-C does, so that it ends its own children, and kill it when it does not."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
