"""Texts as two arrays, so that a file of them is mapped and not read: each text is decoded when it is asked for."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Longs, Rows


class TextColumn(Protocol):
    """Texts by row that can be replaced and grow at the end: a list of str, or `LayeredTexts`."""

    def __getitem__(self, row: int, /) -> str: ...
    def __setitem__(self, row: int, text: str, /) -> None: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[str]: ...
    def extend(self, texts: Iterable[str], /) -> None: ...


class PackedTexts:
    """Texts that do not change.

    Parameters
    ----------
    starts : ndarray of shape (n + 1,), int64
        Where each text begins in `content`, and its length.
    content : ndarray of shape (bytes,), uint8
        The texts in UTF-8, one behind the other.
    """

    def __init__(self, starts: Longs, content: NDArray[np.uint8]) -> None:
        self.starts = starts
        self.content = content
        # Views: they give Python's own numbers and bytes, much faster than arrays do one by one.
        self._starts: memoryview = memoryview(starts)  # type: ignore[arg-type]  # an array is a buffer
        self._view = memoryview(content)  # type: ignore[arg-type]

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Return `texts` packed."""
        encoded = [text.encode() for text in texts]
        starts = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(each) for each in encoded], out=starts[1:])
        return cls(starts, np.frombuffer(b"".join(encoded), np.uint8))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, place: int) -> str:
        return str(self._view[self._starts[place] : self._starts[place + 1]], "utf-8")

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self)))

    def encoded(self, place: int) -> bytes:
        """Return a text in UTF-8."""
        return self._view[self._starts[place] : self._starts[place + 1]].tobytes()

    def in_order(self) -> Rows:
        """Return the places of the texts in ascending order, int32."""
        encoded = [self.encoded(place) for place in range(len(self))]
        return np.array(sorted(range(len(encoded)), key=encoded.__getitem__), np.int32)

    def find(self, text: str, order: Rows) -> int | None:
        """Return the place of a text by its places `in_order`; None when it is not there."""
        wanted = text.encode()
        at = bisect_left(order, wanted, key=self.encoded)
        return int(order[at]) if at < len(order) and self.encoded(order[at]) == wanted else None


class LayeredTexts:
    """Packed texts with later ones over them and after them."""

    def __init__(self, packed: PackedTexts) -> None:
        self._packed = packed
        self._later: dict[int, str] = {}
        self._n = self._n_packed = len(packed)

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, row: int) -> str:
        if row in self._later:
            return self._later[row]
        if not 0 <= row < self._n:
            raise IndexError(f"row: must be from 0 to {self._n - 1}, got {row}")
        return self._packed[row] if row < self._n_packed else ""

    def __setitem__(self, row: int, text: str) -> None:
        self._later[int(row)] = text

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(self._n))

    def extend(self, texts: Iterable[str]) -> None:
        """Append texts."""
        for text in texts:
            self._later[self._n] = text
            self._n += 1


class IdRows:
    """Rows by the platform's ids: those of packed ids, and later ones. What `Catalogue` needs of a dict."""

    def __init__(self, packed: PackedTexts, order: Rows) -> None:
        self._packed = packed
        self._order = order
        self._later: dict[str, int] = {}

    def get(self, external_id: str) -> int | None:
        """Return the row of an id; None for an unknown one."""
        later = self._later.get(external_id)
        return self._packed.find(external_id, self._order) if later is None else later

    def __setitem__(self, external_id: str, row: int) -> None:
        self._later[external_id] = row
