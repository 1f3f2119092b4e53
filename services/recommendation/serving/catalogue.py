"""The catalogue in memory: what ranking, rules and answers need of each product, as columns by row.

The rows of the loaded model come first, in its order; products that came later follow, and rows never move. `updated`
gives a new catalogue, so a request that took one keeps one view of stock, price and category to its end.

What a change of a few products copies decides how soon it counts. Of the columns of numbers those that change are
copied whole: at most 58 bytes a product, 10 ms at 1,000,000 products, in the background and without the interpreter's
lock. The texts and the embeddings would cost 100 times that, so catalogues made from one another share them: a change
replaces the one text or the one vector in place, and new products are appended. A request may so see a new name of a
product beside its old price, but never a row beyond its own catalogue's length.

Filters and rules find what they look at column by column, each with one value for each row: `price` (minor units, -1
unknown) with `currency`, `stock` and `status`, `rating` (NaN unknown), `added` and `expires`, and as codes, of which
`brands.of("Acme")` gives the one of a name, `category`, `subcategory`, `brand` and `group`; -1 is none. Attributes and
tags are sparse: `facets` has them. Prices and stock of a store or region are in what `at(place)` returns.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.content import unit_rows
from services.recommendation.models.key_rows import KeyRows
from services.recommendation.serving.facets import Facets
from services.recommendation.serving.packed_texts import IdRows, TextColumn
from services.recommendation.serving.text_index import TextIndex
from shared.codes import Codes
from shared.db.product_facts import CatalogueEntry
from shared.db.product_offers import Offer
from shared.inventory import INVENTORY_STATUSES, OUT_OF_STOCK
from shared.place_columns import PlaceColumns, PlaceOffers
from shared.product_columns import updated_columns, with_values
from shared.sale_times import ALWAYS, SaleTimes

NUMBERS = (
    "category",
    "currency",
    "price",
    "stock",
    "brand",
    "subcategory",
    "group",
    "rating",
    "status",
    "added",
    "expires",
)
"""Columns of numbers beside the keys."""
SPARE_ROWS = 0.05
"""Rows that are reserved for the embeddings of new products, as a share of those there are."""


@dataclass(frozen=True, eq=False)
class Catalogue:
    """All products.

    Parameters
    ----------
    keys : ndarray of shape (n,), int64
        Keys in the database.
    external_ids, names, image_urls : texts by row
        The platform's ids, the names and the first pictures; empty for none. Shared: they may be longer than n.
    category, currency : ndarray of shape (n,), int32
        Codes in `categories` and `currencies`; -1 unknown.
    price : ndarray of shape (n,), int64
        Minor units; -1 unknown.
    stock : ndarray of shape (n,), int8
        NOT_RECOMMENDABLE, NOT_BUYABLE, ON_ORDER or NOW.
    brand, subcategory : ndarray of shape (n,), int32
        Codes in `brands` and `subcategories`; -1 for none.
    group : ndarray of shape (n,), int32
        Codes in `groups` of the variants of one product; -1 for none.
    rating : ndarray of shape (n,), float32
        Mean rating, 0 to 5; NaN unknown.
    status : ndarray of shape (n,), int8
        Place in INVENTORY_STATUSES, whether recommendable or not.
    added : ndarray of shape (n,), int64
        When each product entered the assortment, in Unix seconds.
    expires : ndarray of shape (n,), int64
        From when on each is no longer on sale, in Unix seconds; ALWAYS for no end.
    facets : Facets
        Attributes and tags by name.
    places : mapping of str to PlaceOffers, optional
        What stores and regions offer, by the platform's id; None until it was read.
    embeddings : ndarray of shape (n, d), float32
        Unit rows; zeros for none.
    space : str
        Version of the embedding space; empty for none.
    change : int
        Number of the last change of the database's catalogue that is in here.
    """

    keys: Longs
    external_ids: TextColumn
    names: TextColumn
    image_urls: TextColumn
    category: Rows
    currency: Rows
    price: Longs
    stock: NDArray[np.int8]
    brand: Rows
    subcategory: Rows
    group: Rows
    rating: NDArray[np.float32]
    status: NDArray[np.int8]
    added: Longs
    expires: Longs
    embeddings: FloatArray
    key_rows: KeyRows
    facets: Facets
    places: Mapping[str, PlaceOffers] | None = None
    categories: Codes = field(default_factory=Codes)
    currencies: Codes = field(default_factory=Codes)
    brands: Codes = field(default_factory=Codes)
    subcategories: Codes = field(default_factory=Codes)
    groups: Codes = field(default_factory=Codes)
    index: TextIndex = field(default_factory=TextIndex)
    rows_by_id: dict[str, int] | IdRows = field(default_factory=dict)
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
            image_urls=[""] * n,
            category=np.full(n, -1, np.int32),
            currency=np.full(n, -1, np.int32),
            price=np.full(n, -1, np.int64),
            stock=np.zeros(n, np.int8),
            brand=np.full(n, -1, np.int32),
            subcategory=np.full(n, -1, np.int32),
            group=np.full(n, -1, np.int32),
            rating=np.full(n, np.nan, np.float32),
            status=np.full(n, INVENTORY_STATUSES.index(OUT_OF_STOCK), np.int8),
            added=np.zeros(n, np.int64),
            expires=np.full(n, ALWAYS, np.int64),
            facets=Facets.of_nothing(n),
            embeddings=np.zeros((n, 0), np.float32),
            key_rows=KeyRows.of(keys),
            index=TextIndex().updated({}, n),
        )

    def __len__(self) -> int:
        return len(self.keys)

    def rows_of(self, keys: Iterable[int]) -> Rows:
        """Return the rows of keys in their order, int32; -1 for unknown ones."""
        return self.key_rows.find(keys)

    def row_of_id(self, external_id: str) -> int | None:
        """Return the row of the platform's id; None for an unknown one."""
        row = self.rows_by_id.get(external_id)
        return None if row is None or row >= len(self) else row

    @cached_property
    def times(self) -> SaleTimes:
        """When products are on sale that are not so at all times."""
        return SaleTimes.of(self.added, self.expires, time.time())

    def at(self, place: str) -> "Catalogue | PlaceColumns":
        """Return the columns that rules and answers look at, as a store or region offers the products; "" for none."""
        offers = (self.places or {}).get(place)
        return self if offers is None else PlaceColumns(self, offers, self.currencies)

    def group_of(self, row: int) -> str:
        """Return the group of a product; empty for none."""
        code = int(self.group[row])
        return self.groups.names[code] if code >= 0 else ""

    def category_of(self, row: int) -> str:
        """Return the category of a product; empty for none."""
        code = int(self.category[row])
        return self.categories.names[code] if code >= 0 else ""

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
        # a new view of the same memory: what was derived from the vectors is known to be old
        embeddings = np.zeros((len(self), vectors.shape[1]), np.float32) if fresh else self.embeddings.view()
        new = unit_rows(vectors[known])
        if not fresh and np.array_equal(self.embeddings[rows[known]], new):
            return self  # a change of price or stock: nothing has to be derived anew
        embeddings[rows[known]] = new
        return replace(self, embeddings=embeddings, space=space)

    def with_offers(self, offers: Sequence[Offer]) -> "Catalogue":
        """Return the catalogue with offers of places as the database says; they are in the order of their places.

        All products must be known. The first time they are all offers that there are.
        """
        currencies = self.currencies.extended(each.currency or "" for each in offers)
        places = dict(self.places or {})
        for place, some in groupby(offers, key=lambda each: each.place_id):
            newer = list(some)
            rows = self.rows_of(each.product_key for each in newer)
            known = places.get(place, PlaceOffers.none())
            places[place] = known.updated(PlaceOffers.of(rows, newer, currencies))
        return replace(self, places=places, currencies=currencies)

    def _grown(self, entries: Sequence[CatalogueEntry]) -> "Catalogue":
        known = self.rows_of(entry.key for entry in entries) >= 0
        new = [entry.key for entry, there in zip(entries, known, strict=True) if not there]
        if not new:
            return self
        more = Catalogue.of_keys(np.array(new, dtype=np.int64))
        arrays = ("keys", *NUMBERS)
        joined: dict[str, Any] = {name: np.concatenate([getattr(self, name), getattr(more, name)]) for name in arrays}
        return replace(
            self,
            **joined,
            key_rows=self.key_rows.extended(more.keys),
            facets=self.facets.grown(len(new)),
            embeddings=_appended(self.embeddings, len(new)),
            external_ids=_extended(self.external_ids, len(self), len(new)),
            names=_extended(self.names, len(self), len(new)),
            image_urls=_extended(self.image_urls, len(self), len(new)),
        )

    def _with(self, entries: Sequence[CatalogueEntry], rows: Rows, change: int) -> "Catalogue":
        for row, entry in zip(rows.tolist(), entries, strict=True):
            self.names[row], self.image_urls[row] = entry.name, entry.image_url or ""
            self.external_ids[row], self.rows_by_id[entry.external_id] = entry.external_id, row
        texts = {row: _text(entry) for row, entry in zip(rows.tolist(), entries, strict=True)}
        return replace(
            self,
            **updated_columns(self, rows, entries),
            **_described(self, rows, entries),
            facets=self.facets.updated(rows, entries),
            index=self.index.updated(texts, len(self)),
            change=change,
        )


def _described(catalogue: Catalogue, rows: Rows, entries: Sequence[CatalogueEntry]) -> dict[str, Any]:
    """Return the columns that no rule of pages looks at, with the products at `rows` as their entries say."""
    brands = catalogue.brands.extended(entry.brand for entry in entries)
    subcategories = catalogue.subcategories.extended(entry.subcategory for entry in entries)
    rating = catalogue.rating.copy()
    rating[rows] = [np.nan if entry.average_rating is None else entry.average_rating for entry in entries]
    return {
        "brands": brands,
        "brand": with_values(catalogue.brand, rows, [brands.of(entry.brand) for entry in entries]),
        "subcategories": subcategories,
        "subcategory": with_values(
            catalogue.subcategory, rows, [subcategories.of(each.subcategory) for each in entries]
        ),
        "rating": rating,
        "status": with_values(
            catalogue.status, rows, [INVENTORY_STATUSES.index(entry.inventory_status) for entry in entries]
        ),
    }


def _text(entry: CatalogueEntry) -> str:
    return f"{entry.name} {entry.category} {entry.subcategory} {entry.brand}"


def _extended(texts: TextColumn, n: int, more: int) -> TextColumn:
    """Return texts with `more` empty ones after the first `n`: the same column, if nobody appended to it."""
    if len(texts) != n:
        texts = list(islice(texts, n))
    texts.extend([""] * more)
    return texts


def _appended(vectors: FloatArray, more: int) -> FloatArray:
    """Return vectors with `more` rows of zeros after them: in the same memory, as long as there is room."""
    n, reserved = len(vectors), vectors.base
    if isinstance(reserved, np.ndarray) and reserved.shape[1:] == vectors.shape[1:] and len(reserved) >= n + more:
        reserved[n : n + more] = 0.0
        return reserved[: n + more]
    room = np.zeros((int((n + more) * (1 + SPARE_ROWS)), vectors.shape[1]), np.float32)
    room[:n] = vectors
    return room[: n + more]
