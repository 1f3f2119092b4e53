"""`python -m cli.spare_process`: a process that has imported what agents need and becomes the one it is told to be.

Imports are most of the time that an agent takes to start. It reads one line of JSON from its input, with `module`, the
module to run, and `environment`; when its input ends before, so does it.
"""

import importlib
import json
import os
import runpy
import sys

MODULES = (
    "shared.rpc.server",
    "shared.rpc.client",
    "shared.db.connect",
    "shared.db.revision",
    "shared.db.log_consumer",
    "shared.db.products",
    "shared.db.recommendations",
    "shared.db.erasure",
    "shared.db.backup.files",
    "shared.monitoring.monitor",
    "numba",
    "numpy",
    "scipy.sparse",
    "uvicorn",
)
"""What several agents import, and what takes the longest. Not the agents' own modules: each has metrics of its own."""


def main() -> None:
    """Import, wait to be told, and run the agent until it ends."""
    for module in MODULES:
        importlib.import_module(module)
    line = sys.stdin.readline()
    if not line:
        return
    told = json.loads(line)
    os.environ.clear()
    os.environ.update(told["environment"])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, sys.stdin.fileno())
    os.close(nothing)
    runpy.run_module(told["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
