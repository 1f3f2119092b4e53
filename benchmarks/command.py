"""Running `quintet` as a person does."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from benchmarks.machine import ROOT


def quintet(environment: Mapping[str, str], *arguments: str) -> Any:
    """Run a command and return what it printed, as JSON where `--json` was given. A failure ends the benchmark."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"quintet {' '.join(arguments)} failed with exit code {done.returncode}")
    return json.loads(done.stdout) if "--json" in arguments else done.stdout
