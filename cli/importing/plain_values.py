"""Values that need no closer look, and the rows that have nothing but such values."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from cli.importing.event_rows import id_of
from cli.importing.wire import text_field
from shared.errors import InvalidArgument

T = TypeVar("T")
Mask = NDArray[np.bool_]

REMEMBERED = 65_536
"""Values of one kind whose conversions are remembered: they repeat in a file."""


class PlainId(NamedTuple):
    """An id, "" for none, and it as a field of a serialised message."""

    id: str
    wire: bytes


def plain(convert: Callable[..., T], *given: Any) -> T | None:
    """Return `convert(*given)`, or None for what cannot be used; a look at its row says what is wrong with it."""
    try:
        return convert(*given)
    except (InvalidArgument, UnicodeError, ArithmeticError):
        return None


def plain_id(name: str, number: int, value: Any) -> PlainId | None:
    """Return the id that the column `name` says, as the field `number` of a message; None for what is not plain."""
    found = plain(id_of, name, value)
    wire = None if found is None else plain(text_field, number, found)
    return None if found is None or wire is None else PlainId(found, wire)


def there(values: Iterable[Any]) -> Mask:
    """Return which of the values are not None."""
    return np.array([value is not None for value in values], np.bool_)


def run_ends(goes_on: Mask) -> list[int]:
    """Return for each row the first one from it on that does not go on."""
    size = len(goes_on)
    ends = np.where(goes_on, size, np.arange(size))
    return np.minimum.accumulate(ends[::-1])[::-1].tolist()  # type: ignore[no-any-return]
