"""Keys in pieces that a statement can take, in one order for every transaction."""

from collections.abc import Collection, Iterator
from typing import Any, TypeVar

from shared.db.batches import MAX_PARAMETERS, batches

T = TypeVar("T", int, str, tuple[Any, ...])


def distinct_chunks(values: Collection[T], size: int = MAX_PARAMETERS) -> Iterator[list[T]]:
    """Yield each of `values` once, ascending, at most `size` at a time; nothing for an empty list."""
    yield from batches(sorted(set(values)), size)
