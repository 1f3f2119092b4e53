"""The catalogue in memory: what ranking and rules need of each product, as arrays by row.

The rows of the loaded model come first, in its order; products that came later follow. A catalogue never changes:
`updated` gives a new one that shares what stayed the same, so a request keeps one consistent view.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.content import unit_rows
from services.recommendation.serving.text_index import TextIndex
from shared.db.products import BUYABLE, IN_STOCK, CatalogueEntry

NOT_BUYABLE, ON_ORDER, NOW = 0, 1, 2
"""Values of `Catalogue.stock`."""


def stock_of(status: str) -> int:
    """Return what an inventory status means for recommending: NOT_BUYABLE, ON_ORDER or NOW."""
    if status not in BUYABLE:
        return NOT_BUYABLE
    return NOW if status == IN_STOCK else ON_ORDER


@dataclass(frozen=True)
class Codes:
    """Numbers for names, from 0 in the order they were met; the empty name is -1."""

    names: tuple[str, ...] = ()
    numbers: dict[str, int] = field(default_factory=dict)

    def of(self, name: str) -> int:
        """Return the number of `name`; -1 if it has none."""
        return self.numbers.get(name, -1)

    def extended(self, names: Iterable[str]) -> "Codes":
        """Return codes that know `names` as well."""
        new = [name for name in dict.fromkeys(names) if name and name not in self.numbers]
        if not new:
            return self
        numbered = {name: number for number, name in enumerate(new, start=len(self.names))}
        return Codes((*self.names, *new), self.numbers | numbered)


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All products.

    Parameters
    ----------
    keys : ndarray of shape (n,), int64
        Keys in the database.
    external_ids, names : list of str
        The platform's ids and the names by row.
    category, currency : ndarray of shape (n,), int32
        Codes in `categories` and `currencies`; -1 unknown.
    price : ndarray of shape (n,), int64
        Minor units; -1 unknown.
    stock : ndarray of shape (n,), int8
        NOT_BUYABLE, ON_ORDER or NOW.
    added : ndarray of shape (n,), int64
        When each product entered the assortment, in Unix seconds.
    embeddings : ndarray of shape (n, d), float32
        Unit rows; zeros for none.
    space : str
        Version of the embedding space; empty for none.
    change : int
        Number of the last change of the database's catalogue that is in here.
    """

    keys: Longs
    external_ids: list[str]
    names: list[str]
    category: Rows
    currency: Rows
    price: Longs
    stock: NDArray[np.int8]
    added: Longs
    embeddings: FloatArray
    categories: Codes = Codes()
    currencies: Codes = Codes()
    index: TextIndex = field(default_factory=TextIndex)
    rows_by_id: dict[str, int] = field(default_factory=dict)
    space: str = ""
    change: int = 0

    @classmethod
    def of_keys(cls, keys: Longs) -> "Catalogue":
        """Return a catalogue of products of which nothing but the keys is known; none is buyable."""
        n = len(keys)
        return cls(
            keys=keys.astype(np.int64),
            external_ids=[""] * n,
            names=[""] * n,
            category=np.full(n, -1, np.int32),
            currency=np.full(n, -1, np.int32),
            price=np.full(n, -1, np.int64),
            stock=np.zeros(n, np.int8),
            added=np.zeros(n, np.int64),
            embeddings=np.zeros((n, 0), np.float32),
            index=TextIndex().updated({}, n),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def rows_of(self, keys: Iterable[int]) -> Rows:
        """Return the rows of keys in their order, int32; -1 for unknown ones."""
        wanted = np.fromiter(keys, dtype=np.int64)
        order, ascending = self._lookup
        if not len(ascending):
            return np.full(len(wanted), -1, np.int32)
        place = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
        return np.where(ascending[place] == wanted, order[place], -1).astype(np.int32)

    def row_of_id(self, external_id: str) -> int | None:
        """Return the row of the platform's id; None for an unknown one."""
        return self.rows_by_id.get(external_id)

    def updated(self, entries: Sequence[CatalogueEntry]) -> "Catalogue":
        """Return the catalogue with products added or changed as the database says, in the order of the changes."""
        if not entries:
            return self
        latest = list({entry.key: entry for entry in entries}.values())
        grown = self._grown(latest)
        rows = grown.rows_of(entry.key for entry in latest)
        return grown._with(latest, rows, entries[-1].change_sequence)

    def with_embeddings(self, space: str, keys: Longs, vectors: FloatArray) -> "Catalogue":
        """Return the catalogue with embeddings set for some products; a new `space` forgets those of the old one."""
        if space == self.space and not len(keys):
            return self
        rows = self.rows_of(keys)
        known = rows >= 0
        fresh = space != self.space or self.embeddings.shape[1] != vectors.shape[1]
        width = vectors.shape[1] if fresh else self.embeddings.shape[1]
        embeddings = np.zeros((len(self), width), np.float32) if fresh else self.embeddings.copy()
        embeddings[rows[known]] = unit_rows(vectors[known])
        return replace(self, embeddings=embeddings, space=space)

    @cached_property
    def _lookup(self) -> tuple[Longs, Longs]:
        """The rows in the order of their keys, and the keys ascending."""
        order = np.argsort(self.keys, kind="stable").astype(np.int64)
        return order, self.keys[order]

    def _grown(self, entries: Sequence[CatalogueEntry]) -> "Catalogue":
        known = self.rows_of(entry.key for entry in entries) >= 0
        new = [entry.key for entry, there in zip(entries, known, strict=True) if not there]
        if not new:
            return self
        more = Catalogue.of_keys(np.array(new, dtype=np.int64))
        arrays = ("keys", "category", "currency", "price", "stock", "added")
        joined: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(more, name)]) for name in arrays}
        blank = np.zeros((len(new), self.embeddings.shape[1]), np.float32)
        return replace(
            self,
            **joined,
            external_ids=self.external_ids + more.external_ids,
            names=self.names + more.names,
            embeddings=np.concatenate([self.embeddings, blank]),
        )

    def _with(self, entries: Sequence[CatalogueEntry], rows: Rows, change: int) -> "Catalogue":
        categories = self.categories.extended(entry.category for entry in entries)
        currencies = self.currencies.extended(entry.currency or "" for entry in entries)
        values = {
            "category": [categories.of(entry.category) for entry in entries],
            "currency": [currencies.of(entry.currency or "") for entry in entries],
            "price": [-1 if entry.price is None else entry.price for entry in entries],
            "stock": [stock_of(entry.inventory_status) if entry.recommendable else NOT_BUYABLE for entry in entries],
            "added": [int(entry.available_at.timestamp()) for entry in entries],
        }
        ids, names, rows_by_id = self.external_ids.copy(), self.names.copy(), self.rows_by_id.copy()
        for row, entry in zip(rows.tolist(), entries, strict=True):
            ids[row], names[row], rows_by_id[entry.external_id] = entry.external_id, entry.name, row
        texts = {row: _text(entry) for row, entry in zip(rows.tolist(), entries, strict=True)}
        arrays: dict[str, Any] = {name: _put(getattr(self, name), rows, new) for name, new in values.items()}
        return replace(
            self,
            **arrays,
            external_ids=ids,
            names=names,
            rows_by_id=rows_by_id,
            categories=categories,
            currencies=currencies,
            index=self.index.updated(texts, len(self)),
            change=change,
        )


def _text(entry: CatalogueEntry) -> str:
    return f"{entry.name} {entry.category} {entry.subcategory} {entry.brand}"


def _put(array: NDArray[np.generic], rows: Rows, values: Sequence[int]) -> NDArray[np.generic]:
    changed = array.copy()
    changed[rows] = values
    return changed
