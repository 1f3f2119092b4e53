"""Lists too long for one statement, cut into pieces that every database takes."""

from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")

MAX_PARAMETERS = 500


def chunks(values: Sequence[T], size: int = MAX_PARAMETERS) -> Iterator[Sequence[T]]:
    """Yield `values` in order, at most `size` at a time; nothing for an empty list."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def distinct_chunks(values: Collection[T], size: int = MAX_PARAMETERS) -> Iterator[Sequence[T]]:
    """Yield each of `values` once, ascending, at most `size` at a time: the same order in every transaction."""
    yield from chunks(sorted(set(values)), size)  # type: ignore[type-var]
