"""A wall clock of the agents that can be set: by a preloaded library, while the monotonic clock goes on."""

import os
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")
VARIABLES = ("LD_PRELOAD", "QUINTET_BENCH_CLOCK")
NANOS = 1_000_000_000


class MovableClock:
    """The clock of processes that are started while it is there; it goes on by itself.

    Parameters
    ----------
    file : Path
        Holds by how many nanoseconds it is ahead of the machine's.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.shift(0)

    def shift(self, seconds: float) -> None:
        """Put the clock so many seconds ahead of the machine's; negative is behind."""
        self._write(round(seconds * NANOS))

    def set(self, moment: int) -> None:
        """Set the clock to the start of a second since 1970."""
        self._write(moment * NANOS - time.time_ns())

    def _write(self, nanos: int) -> None:
        """Write in place: the file is mapped."""
        with self._file.open("r+b" if self._file.exists() else "wb") as opened:
            opened.write(struct.pack("=q", nanos))


@contextmanager
def movable_clock(folder: Path) -> Iterator[MovableClock]:
    """Have processes that are started read their clock by way of a file in `folder`; give the clock.

    Raises FileNotFoundError where there is no C compiler.
    """
    library, file = folder / "clock.so", folder / "clock"
    command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    clock = MovableClock(file)
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(zip(VARIABLES, (str(library), str(file)), strict=True))
    try:
        yield clock
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
