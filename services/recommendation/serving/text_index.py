"""Search words: which products match a query by the words of their name, category, subcategory and brand."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows

_WORD = re.compile(r"\w+")
_SHORTEST_PLURAL = 4
MANY = 2000
"""Changed texts from which building the index anew is cheaper than changing it."""


@dataclass(frozen=True, eq=False)
class TextIndex:
    """Which rows have which words. Immutable: `updated` gives a new one and shares what did not change.

    Parameters
    ----------
    texts : sequence of frozenset of str
        The words of each row.
    rows : mapping of str to ndarray of int64
        The rows with each word, ascending.
    """

    texts: Sequence[frozenset[str]] = ()
    rows: Mapping[str, Longs] = field(default_factory=dict)

    def updated(self, changed: Mapping[int, str], n_rows: int) -> "TextIndex":
        """Return the index of `n_rows` rows with the texts of some of them replaced."""
        texts = [*self.texts, *[frozenset[str]()] * (n_rows - len(self.texts))]
        old = {row: texts[row] for row in changed}
        for row, text in changed.items():
            texts[row] = words(text)
        if len(changed) > MANY:
            return TextIndex(texts, _inverted(texts))
        rows = dict(self.rows)
        rows.update(_moved(rows, old, {row: texts[row] for row in changed}))
        return TextIndex(texts, rows)

    def matches(self, query: str) -> tuple[Rows, FloatArray]:
        """Return the rows that match a query, and the share of it that each matches, rare words counting more (IDF).

        Returns
        -------
        rows : ndarray of shape (n,), int32
            Ascending.
        shares : ndarray of shape (n,), float32
            Above 0 to 1; 1 where a row has every word of the query that any row has.
        """
        found = {word: self.rows[word] for word in words(query) if len(self.rows.get(word, ()))}
        if not found:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        weights = {word: float(np.log1p(len(self.texts) / len(rows))) for word, rows in found.items()}
        matching, places = np.unique(np.concatenate(list(found.values())), return_inverse=True)
        each = np.repeat(list(weights.values()), [len(rows) for rows in found.values()])
        shares = np.bincount(places, each / sum(weights.values()), len(matching))
        return matching.astype(np.int32), shares.astype(np.float32)


def words(text: str) -> frozenset[str]:
    """Return the words of a text: lower case, plurals in -s cut to their singular."""
    return frozenset(_singular(word) for word in _WORD.findall(text.casefold()))


def _singular(word: str) -> str:
    plural = len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith("ss")
    return word[:-1] if plural else word


def _inverted(texts: Sequence[frozenset[str]]) -> dict[str, Longs]:
    lists: dict[str, list[int]] = {}
    for row, own in enumerate(texts):
        for word in own:
            lists.setdefault(word, []).append(row)
    return {word: np.array(rows, dtype=np.int64) for word, rows in lists.items()}


def _moved(
    rows: Mapping[str, Longs], old: Mapping[int, frozenset[str]], new: Mapping[int, frozenset[str]]
) -> dict[str, Longs]:
    gone, come = _pairs(old, new), _pairs(new, old)
    empty = np.empty(0, dtype=np.int64)
    return {
        word: np.union1d(np.setdiff1d(rows.get(word, empty), gone.get(word, ())), come.get(word, empty)).astype(
            np.int64
        )
        for word in gone.keys() | come.keys()
    }


def _pairs(these: Mapping[int, frozenset[str]], those: Mapping[int, frozenset[str]]) -> dict[str, list[int]]:
    """Return the rows by word that `these` have and `those` have not."""
    lists: dict[str, list[int]] = {}
    for row, own in these.items():
        for word in _only(own, those[row]):
            lists.setdefault(word, []).append(row)
    return lists


def _only(own: frozenset[str], other: frozenset[str]) -> Iterable[str]:
    return own - other
