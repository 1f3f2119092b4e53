"""Search words: which products match a query by the words of their name, category, subcategory and brand."""

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.serving.packed_texts import PackedTexts

_WORD = re.compile(r"\w+")
_SHORTEST_PLURAL = 4
MANY = 2000
"""Changed texts that are kept beside the inverted lists; with more of them the lists are made anew."""


class RowLists(Protocol):
    """Rows by word, int32, ascending: a dict, or `PackedLists`."""

    def get(self, word: str, default: Rows, /) -> Rows: ...


class PackedLists:
    """Rows by word as arrays.

    Parameters
    ----------
    words : PackedTexts
        Ascending.
    starts : ndarray of shape (n_words + 1,), int64
        Where the rows of each word begin.
    rows : ndarray of shape (n,), int32
    """

    def __init__(self, words: PackedTexts, starts: Longs, rows: Rows) -> None:
        self.words, self.starts, self.rows = words, starts, rows
        self._order = np.arange(len(words), dtype=np.int32)

    @classmethod
    def of(cls, lists: Mapping[str, Rows]) -> "PackedLists":
        """Return the lists packed."""
        ordered = sorted(lists)
        rows = [lists[word] for word in ordered]
        starts = np.cumsum([0, *(len(each) for each in rows)], dtype=np.int64)
        return cls(PackedTexts.of(ordered), starts, np.concatenate([np.empty(0, np.int32), *rows]))

    def get(self, word: str, default: Rows) -> Rows:
        """Return the rows with a word, `default` for an unknown one."""
        place = self.words.find(word, self._order)
        return default if place is None else self.rows[self.starts[place] : self.starts[place + 1]]


class _InvertedTexts:
    """The rows with each word, made when first asked for: 5 µs a text."""

    def __init__(self, texts: Sequence[str] | PackedTexts, rows: RowLists | None = None) -> None:
        self.texts = texts
        self._rows = rows
        self._making = threading.Lock()

    def text_of(self, row: int) -> str:
        """Return the text of a row; empty for one that is not among them."""
        return self.texts[row] if row < len(self.texts) else ""

    @property
    def rows(self) -> RowLists:
        """Rows by word, int32, ascending."""
        if self._rows is None:
            with self._making:
                if self._rows is None:
                    self._rows = _inverted(self.texts)
        return self._rows


class TextIndex:
    """Which rows have which words. Immutable: `updated` gives a new one.

    The inverted lists are shared by all indexes made from one another, so a change of a few texts costs no more in a
    large catalogue. Rows whose text changed since the lists were made have their words beside them.
    """

    def __init__(self) -> None:
        self._base = _InvertedTexts(())
        self._changed: dict[int, str] = {}
        self._words: dict[int, frozenset[str]] = {}
        self._n_rows = 0

    @classmethod
    def of_lists(cls, texts: PackedTexts, lists: PackedLists) -> "TextIndex":
        """Return the index of texts, one a row, whose lists are made already."""
        index = cls()
        index._base = _InvertedTexts(texts, lists)
        index._n_rows = len(texts)
        return index

    def packed(self) -> tuple[PackedTexts, PackedLists]:
        """Return the texts of all rows and their lists, for `of_lists`."""
        texts = _replaced(self._base.texts, self._changed, self._n_rows)
        return PackedTexts.of(texts), PackedLists.of(_inverted(texts))

    def updated(self, changed: Mapping[int, str], n_rows: int) -> "TextIndex":
        """Return the index of `n_rows` rows with the texts of some of them replaced."""
        changed = {row: text for row, text in changed.items() if self._text_of(row) != text}
        index = TextIndex()
        index._n_rows = n_rows
        if len(self._changed) + len(changed) > MANY:
            index._base = _InvertedTexts(_replaced(self._base.texts, {**self._changed, **changed}, n_rows))
            return index
        index._base = self._base
        index._changed = {**self._changed, **changed}
        index._words = {**self._words, **{row: words(text) for row, text in changed.items()}}
        return index

    def _text_of(self, row: int) -> str:
        return self._changed[row] if row in self._changed else self._base.text_of(row)

    def prepare(self) -> None:
        """Make the inverted lists now, if they are not made yet."""
        self._rows_of("")

    def matches(self, query: str) -> tuple[Rows, FloatArray]:
        """Return the rows that match a query, and the share of it that each matches, rare words counting more (IDF).

        Returns
        -------
        rows : ndarray of shape (n,), int32
            Ascending.
        shares : ndarray of shape (n,), float32
            Above 0 to 1; 1 where a row has every word of the query that any row has.
        """
        found = {word: rows for word in words(query) if len(rows := self._rows_of(word))}
        if not found:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        weights = {word: float(np.log1p(self._n_rows / len(rows))) for word, rows in found.items()}
        matching, places = np.unique(np.concatenate(list(found.values())), return_inverse=True)
        each = np.repeat(list(weights.values()), [len(rows) for rows in found.values()])
        shares = np.bincount(places, each / sum(weights.values()), len(matching))
        return matching.astype(np.int32), shares.astype(np.float32)

    def _rows_of(self, word: str) -> Rows:
        rows = self._base.rows.get(word, np.empty(0, np.int32))
        if not self._words:
            return rows
        changed = np.fromiter(self._words, np.int32, len(self._words))
        new = [row for row, own in self._words.items() if word in own]
        return np.concatenate([rows[~np.isin(rows, changed)], np.array(new, np.int32)])


def words(text: str) -> frozenset[str]:
    """Return the words of a text: lower case, plurals in -s cut to their singular."""
    return frozenset(_singular(word) for word in _WORD.findall(text.casefold()))


def _singular(word: str) -> str:
    plural = len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if plural else word


def _replaced(texts: Iterable[str], changed: Mapping[int, str], n_rows: int) -> list[str]:
    replaced = list(texts)
    replaced += [""] * (n_rows - len(replaced))
    for row, text in changed.items():
        replaced[row] = text
    return replaced


def _inverted(texts: Iterable[str]) -> dict[str, Rows]:
    lists: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        for word in words(text):
            lists.setdefault(word, []).append(row)
    inverted: dict[str, NDArray[np.int32]] = {word: np.array(rows, np.int32) for word, rows in lists.items()}
    return inverted
