"""Memory that a process no longer uses, back to the system."""

import ctypes
import sys
from functools import cache
from typing import Any


def give_memory_back() -> None:
    """Have the allocator return what is free between the pieces in use; does nothing but on Linux with glibc.

    After arrays of many sizes an allocator may hold as much again as is in use, and a training is as large as its
    largest moment.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") else None
