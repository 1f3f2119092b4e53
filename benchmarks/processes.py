"""What the system says of a running process."""

import os
from pathlib import Path

KIB_A_MIB = 1024


def peak_mb_of(pid: int) -> float:
    """Return the most memory a process has held so far, pages of mapped files among it, in MiB. Linux only."""
    return _status_mb(pid, "VmHWM")


def own_mb_of(pid: int) -> float:
    """Return the memory that a process holds now and shares with nobody, in MiB. Linux only.

    Pages of mapped files (model, snapshot, libraries) are not in it: processes share them, and the system takes them
    back when it needs memory.
    """
    return _status_mb(pid, "RssAnon")


def cpu_seconds_of(pid: int) -> float:
    """Return the processor time that a process has used so far, all threads together, in seconds. Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    user, system = (int(fields[place]) for place in (11, 12))
    return (user + system) / os.sysconf("SC_CLK_TCK")


def _status_mb(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
    return kib / KIB_A_MIB
