"""Garbage collection during an import."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

COLLECT_AFTER = 50_000


@contextmanager
def rare_collections() -> Iterator[None]:
    """Look for cycles of objects seldom: rows become millions of objects without any, and looking costs a tenth."""
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER)
    try:
        yield
    finally:
        gc.set_threshold(*before)
