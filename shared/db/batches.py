"""Long lists in pieces that a statement can take."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

MAX_PARAMETERS = 500
"""Most values in one `IN (...)`."""

T = TypeVar("T")
Key = TypeVar("Key", int, str, tuple[Any, ...])


def batches(values: Iterable[T], size: int = MAX_PARAMETERS) -> Iterator[list[T]]:
    """Yield `values` in lists of `size`, in their order; the last may be shorter."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch


def distinct_batches(values: Collection[Key], size: int = MAX_PARAMETERS) -> Iterator[list[Key]]:
    """Yield each of `values` once, ascending: so every transaction locks rows in one order."""
    yield from batches(sorted(set(values)), size)
