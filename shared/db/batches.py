"""Long lists in pieces that a statement can take."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

MAX_PARAMETERS = 500
"""Most values in one `IN (...)`."""

T = TypeVar("T")


def batches(values: Iterable[T], size: int = MAX_PARAMETERS) -> Iterator[list[T]]:
    """Yield `values` in lists of `size`, in their order; the last may be shorter."""
    rest = iter(values)
    while batch := list(islice(rest, size)):
        yield batch
