"""A file that is there whole or not at all, whatever is killed when."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PRIVATE = 0o600
PARTIAL = ".partial"


@contextmanager
def written_beside(path: Path) -> Iterator[Path]:
    """Give the path of a file to write beside `path`; it takes the place of `path` at the end, and goes on any error.

    Only the user may read it. One that a killed process left is written over by the next.
    """
    partial = path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)
    partial.touch(PRIVATE)
    try:
        yield partial
        put_in_place(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def put_in_place(partial: Path, path: Path) -> None:
    """Write `partial` through to the disk and rename it to `path` in the same folder."""
    _sync(partial)
    partial.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
