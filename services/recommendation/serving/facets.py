"""Attributes and tags of the catalogue, column by column, for filters and rules that look at them.

A column holds what the products say under one name and of one type: most products say nothing, so a column is a list
of rows and one of values. A name under which some products have texts and others numbers has a column of each type.

    catalogue.facets.texts("colour").rows_with("red")          rows of the red products, ascending
    catalogue.facets.numbers("grams").rows, .values            which products say it, and what
    catalogue.facets.flags("organic")                          the same, of yes (True) and no
    catalogue.facets.tags.rows_with("fair")                    rows of the products with a tag

Immutable: `updated` gives a new one, and shares the columns that did not change.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Rows
from shared.codes import Codes
from shared.db.product_facts import CatalogueEntry
from shared.ids import digests

LONGEST_TEXT = 200
"""Longest text that is kept: longer ones are descriptions, which nobody filters by."""
NOTHING_SAID = ("{}", "[]")
Dtype = TypeVar("Dtype", bound=np.generic)


@dataclass(frozen=True, eq=False)
class Facet(Generic[Dtype]):
    """What products say under one name.

    Parameters
    ----------
    rows : ndarray of shape (n,), int32
        Products that say something, ascending; a product that says several things stands there as often.
    values : ndarray of shape (n,)
        What each says: float64 numbers, bool, or for texts int32 codes in `names`.
    names : Codes
        Codes of the texts; without any for numbers and flags.
    """

    rows: Rows
    values: NDArray[Dtype]
    names: Codes = field(default_factory=Codes)

    def rows_with(self, text: str) -> Rows:
        """Return the rows of the products that say a text, ascending; empty for numbers and flags."""
        code = self.names.of(text)
        return self.rows[self.values == code] if code >= 0 else self.rows[:0]

    def updated(self, gone: Rows, rows: Rows, values: NDArray[Dtype], names: Codes) -> "Facet[Dtype]":
        """Return the facet with what the products at `gone` said replaced."""
        kept = ~np.isin(self.rows, gone)
        if kept.all() and not len(rows):
            return self
        every = np.concatenate([self.rows[kept], rows])
        order = np.argsort(every, kind="stable")
        return Facet(every[order], np.concatenate([self.values[kept], values])[order], names)


TextFacet = Facet[np.int32]
NumberFacet = Facet[np.float64]
FlagFacet = Facet[np.bool_]

_NO_TEXTS = TextFacet(np.empty(0, np.int32), np.empty(0, np.int32))
_NO_NUMBERS = NumberFacet(np.empty(0, np.int32), np.empty(0, np.float64))
_NO_FLAGS = FlagFacet(np.empty(0, np.int32), np.empty(0, np.bool_))


@dataclass(frozen=True, eq=False)
class Facets:
    """Attributes and tags of all products.

    Parameters
    ----------
    said : ndarray of shape (n_products,), uint64
        A digest of what each product says, so that a change of price or stock costs nothing here; 0 for nothing.
    tags : TextFacet
    text_facets, number_facets, flag_facets : mapping of str to Facet
        Attributes by name.
    """

    said: NDArray[np.uint64]
    tags: TextFacet = _NO_TEXTS
    text_facets: Mapping[str, TextFacet] = field(default_factory=dict)
    number_facets: Mapping[str, NumberFacet] = field(default_factory=dict)
    flag_facets: Mapping[str, FlagFacet] = field(default_factory=dict)

    @classmethod
    def of_nothing(cls, n: int) -> "Facets":
        """Return the facets of `n` products that say nothing."""
        return cls(np.zeros(n, np.uint64))

    def texts(self, name: str) -> TextFacet:
        """Return what products say in texts under a name; nothing for an unknown one."""
        return self.text_facets.get(name, _NO_TEXTS)

    def numbers(self, name: str) -> NumberFacet:
        """Return what products say in numbers under a name."""
        return self.number_facets.get(name, _NO_NUMBERS)

    def flags(self, name: str) -> FlagFacet:
        """Return where products say yes or no under a name."""
        return self.flag_facets.get(name, _NO_FLAGS)

    def grown(self, more: int) -> "Facets":
        """Return the facets with more products behind, which say nothing yet."""
        return replace(self, said=np.concatenate([self.said, np.zeros(more, np.uint64)])) if more else self

    def updated(self, rows: Rows, entries: Sequence[CatalogueEntry]) -> "Facets":
        """Return the facets with the products at `rows` as their entries say; each row once."""
        said = _digests(entries)
        changed = np.flatnonzero(said != self.said[rows])
        if not len(changed):
            return self
        gone, values = rows[changed], _Values()
        for place in changed.tolist():
            values.add(int(rows[place]), entries[place])
        now = self.said.copy()
        now[gone] = said[changed]
        numbers, flags = self.number_facets, self.flag_facets
        return Facets(
            now,
            _with_texts(self.tags, gone, values.tags),
            {
                each: _with_texts(self.texts(each), gone, values.texts[each])
                for each in {*self.text_facets, *values.texts}
            },
            {
                each: _with(self.numbers(each), gone, values.numbers[each], np.float64)
                for each in {*numbers, *values.numbers}
            },
            {each: _with(self.flags(each), gone, values.flags[each], np.bool_) for each in {*flags, *values.flags}},
        )


class _Values:
    """What some products say: pairs of row and value, by type and name."""

    def __init__(self) -> None:
        self.tags: list[tuple[int, str]] = []
        self.texts: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
        self.numbers: defaultdict[str, list[tuple[int, float]]] = defaultdict(list)
        self.flags: defaultdict[str, list[tuple[int, bool]]] = defaultdict(list)

    def add(self, row: int, entry: CatalogueEntry) -> None:
        """Take what a product says."""
        self.tags += [(row, tag) for tag in dict.fromkeys(json.loads(entry.tags)) if tag]
        for name, value in json.loads(entry.attributes).items():
            if isinstance(value, bool):
                self.flags[name].append((row, value))
            elif isinstance(value, int | float):
                self.numbers[name].append((row, float(value)))
            else:
                self.texts[name] += [
                    (row, text) for text in dict.fromkeys(_listed(value)) if 0 < len(text) <= LONGEST_TEXT
                ]


def _listed(value: Any) -> Iterable[str]:
    return value if isinstance(value, list) else (value,)


def _digests(entries: Sequence[CatalogueEntry]) -> NDArray[np.uint64]:
    """Return a digest of what each product says; 0 for nothing."""
    found = digests(f"{entry.attributes}\n{entry.tags}" for entry in entries)
    nothing = [(entry.attributes, entry.tags) == NOTHING_SAID for entry in entries]
    return np.where(np.array(nothing, bool), np.uint64(0), found)


def _with_texts(facet: TextFacet, gone: Rows, pairs: Sequence[tuple[int, str]]) -> TextFacet:
    names = facet.names.extended(text for _, text in pairs)
    coded = [(row, names.of(text)) for row, text in pairs]
    return _with(facet, gone, coded, np.int32, names)


def _with(
    facet: Facet[Dtype], gone: Rows, pairs: Sequence[tuple[int, Any]], dtype: type[Dtype], names: Codes | None = None
) -> Facet[Dtype]:
    rows = np.array([row for row, _ in pairs], np.int32)
    return facet.updated(gone, rows, np.array([value for _, value in pairs], dtype), names or Codes())
