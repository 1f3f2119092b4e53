"""What the system says of a process: its own memory is part of its peak, a mapped file is not its own."""

import mmap
import os
import time
from pathlib import Path

from benchmarks.processes import cpu_seconds_of, own_mb_of, peak_mb_of

MB = 1024 * 1024
SIZE_MB = 64


def test_what_a_process_wrote_is_its_own() -> None:
    before = own_mb_of(os.getpid())
    block = mmap.mmap(-1, SIZE_MB * MB, flags=mmap.MAP_PRIVATE)
    block[:] = b"x" * len(block)
    assert own_mb_of(os.getpid()) - before > SIZE_MB * 0.9
    assert peak_mb_of(os.getpid()) >= own_mb_of(os.getpid())
    block.close()


def test_a_mapped_file_is_in_the_peak_only(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(SIZE_MB * MB))
    own = own_mb_of(os.getpid())
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[place] for place in range(0, len(mapped), mmap.PAGESIZE)) == 0
        assert own_mb_of(os.getpid()) - own < SIZE_MB / 2
        assert peak_mb_of(os.getpid()) > SIZE_MB


def test_work_is_processor_time_and_waiting_is_none() -> None:
    before, own = cpu_seconds_of(os.getpid()), time.process_time()
    while time.process_time() - own < 0.1:
        pass
    used = cpu_seconds_of(os.getpid()) - before
    assert 0.05 <= used <= time.process_time() - own + 0.05
