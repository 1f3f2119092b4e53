"""Faults of the wall clock: it jumps forward and back under running agents, whose monotonic clock goes on."""

import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.faults.shops import Shop
from benchmarks.faults.stage import Found, staged

SOURCE = Path(__file__).with_name("clock.c")
JUMPS_SECONDS = (3_600, -3_600, 3 * 86_400, -86_400)
"""How far the clock is off at each time."""
OFF_SECONDS = 3.0
VARIABLES = ("LD_PRELOAD", "QUINTET_FAULTS_CLOCK")


def clock_jumps(shop: Shop, seconds: float = OFF_SECONDS) -> Found:
    """Set the clock of all agents wrong for some seconds, both ways, and right again."""
    with _movable_clock(shop.folder) as file, staged(shop, "clock_jumps") as stage:
        for jump in JUMPS_SECONDS:
            with stage.fault(f"the clock, by {jump:+d} s"):
                _set(file, jump)
                time.sleep(seconds)
                _set(file, 0)
    return stage.found


@contextmanager
def _movable_clock(folder: Path) -> Iterator[Path]:
    """Have processes that are started read their clock by way of a file; give the file.

    Raises FileNotFoundError where there is no C compiler.
    """
    library, file = folder / "clock.so", folder / "clock"
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    _set(file, 0)
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(zip(VARIABLES, (str(library), str(file)), strict=True))
    try:
        yield file
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value


def _set(file: Path, seconds: int) -> None:
    """Write in place: the file is mapped."""
    with file.open("r+b" if file.exists() else "wb") as opened:
        opened.write(struct.pack("=q", seconds))
