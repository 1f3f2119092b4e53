"""What a piece of work cost: seconds, and memory at its peak."""

import ctypes
import resource
from contextlib import suppress
from pathlib import Path

STATUS = Path("/proc/self/status")
CLEAR_REFS = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
KIB_A_MIB = 1024


def reset_peak() -> bool:
    """Begin to measure the peak anew, and return whether this system can: Linux can, others count from the start.

    Memory that was freed goes back to the system before: what one has used is not counted for the next.
    """
    with suppress(OSError, AttributeError):  # where the C library is not glibc
        ctypes.CDLL(None).malloc_trim(0)
    try:
        CLEAR_REFS.write_text(RESET_PEAK)
    except OSError:
        return False
    return True


def peak_mb() -> float:
    """Return the most memory that this process has held since `reset_peak`, in MiB."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_A_MIB
    kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return kib / KIB_A_MIB
