"""A column whose distinct values are kept once: values repeat in files, and each is made and looked at only once."""

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]


class CodedColumn(Sequence[Any]):
    """The values of a column.

    Parameters
    ----------
    values : sequence of length n_values
        The values that occur, each once; there may be some that do not.
    codes : ndarray of shape (n_rows,), int64
        Place in `values` of each row's value.
    """

    __slots__ = ("codes", "values")

    def __init__(self, values: Sequence[Any], codes: Codes) -> None:
        self.values = values
        self.codes = codes

    def __len__(self) -> int:
        return len(self.codes)

    @overload
    def __getitem__(self, place: int) -> Any: ...

    @overload
    def __getitem__(self, place: slice) -> "CodedColumn": ...

    def __getitem__(self, place: int | slice) -> Any:
        if isinstance(place, slice):
            return CodedColumn(self.values, self.codes[place])
        return self.values[self.codes[place]]

    def taken(self, wanted: NDArray[np.bool_]) -> "CodedColumn":
        """Return the rows at whose place `wanted` is true."""
        return CodedColumn(self.values, self.codes[wanted])

    def __iter__(self) -> Iterator[Any]:
        return map(self.values.__getitem__, self.codes.tolist())


def coded(column: Sequence[Any]) -> CodedColumn:
    """Return a column with its distinct values kept once. Values of different types differ: 1 is not 1.0.

    Raises
    ------
    TypeError
        If a value is a list or an object.
    """
    if isinstance(column, CodedColumn):
        return column
    # Texts alone, as in CSV, need no look at their types.
    keys: Sequence[Any] = column if set(map(type, column)) <= _TEXTS else list(zip(map(type, column), column))  # noqa: B905 - of one length
    places = dict.fromkeys(keys)
    for place, key in enumerate(places):
        places[key] = place
    codes = np.fromiter(map(places.__getitem__, keys), np.int64, len(keys))
    return CodedColumn(list(places) if keys is column else [value for _, value in places], codes)


def joined(first: Sequence[Any], second: Sequence[Any]) -> Sequence[Any]:
    """Return the values of `first` followed by those of `second`."""
    if not (isinstance(first, CodedColumn) and isinstance(second, CodedColumn)):
        return [*first, *second]
    # A kept piece is short, but its values are those of a whole batch.
    used, codes = np.unique(first.codes, return_inverse=True)
    places = {value: place for place, value in enumerate(second.values)}
    values = list(second.values)
    moved = []
    for value in (first.values[place] for place in used.tolist()):
        place = places.setdefault(value, len(values))
        if place == len(values):
            values.append(value)
        moved.append(place)
    return CodedColumn(values, np.concatenate([np.array(moved, np.int64)[codes], second.codes]))


_TEXTS = {str, type(None)}
