"""A catalogue as arrays in a file, so that a start reads from the database only what changed since.

Names and other texts stay in the file, mapped, until somebody asks for them; processes of one machine share its pages.

The snapshot holds the catalogue as it was at change number n. It is used only where each product of the database whose
latest change is n or before has the very stamp (change number and moment of the update) that it had then: a database
that was restored from a backup, or replaced, is read anew. What stores and regions offer is no part of it.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, Longs
from services.recommendation.models.key_rows import KeyRows
from services.recommendation.serving.catalogue import NUMBERS, Catalogue
from services.recommendation.serving.facets import Facet, Facets
from services.recommendation.serving.packed_texts import IdRows, LayeredTexts, PackedTexts
from services.recommendation.serving.text_index import PackedLists, TextIndex
from shared.codes import Codes

FORMAT = 2
ARRAYS = ("keys", *NUMBERS, "embeddings")
CODES = ("categories", "currencies", "brands", "subcategories", "groups")
FACETS = ("text_facets", "number_facets", "flag_facets")
TEXTS = ("external_ids", "names", "image_urls")


def arrays_of(catalogue: Catalogue, stamps: Longs) -> Iterator[tuple[str, AnyArray]]:
    """Yield the arrays of a snapshot with their names; `stamps` are those of the database, read after the catalogue."""
    yield "stamps", stamps[stamps[:, 1] <= catalogue.change]
    for name in ARRAYS:
        yield name, getattr(catalogue, name)
    columns = {name: PackedTexts.of(islice(getattr(catalogue, name), len(catalogue))) for name in TEXTS}
    for name, column in columns.items():
        yield from _packed(name, column)
    yield "id_order", columns["external_ids"].in_order()
    texts, lists = catalogue.index.packed()
    yield from _packed("texts", texts)
    yield from _packed("words", lists.words)
    yield "word_starts", lists.starts
    yield "word_rows", lists.rows
    yield "facets.said", catalogue.facets.said
    for name, facet in _named(catalogue.facets):
        yield f"{name}.rows", facet.rows
        yield f"{name}.values", facet.values
        yield from _packed(f"{name}.names", PackedTexts.of(facet.names.names))


def facts_of(catalogue: Catalogue) -> dict[str, Any]:
    """Return what of a snapshot is no array."""
    return {
        "format": FORMAT,
        "change": catalogue.change,
        "space": catalogue.space,
        "codes": {name: list(getattr(catalogue, name).names) for name in CODES},
        "facets": {kind: list(getattr(catalogue.facets, kind)) for kind in FACETS},
    }


def catalogue_of(
    arrays: Mapping[str, AnyArray], facts: Mapping[str, Any], product_keys: Longs, stamps: Longs
) -> Catalogue | None:
    """Return the catalogue in a snapshot; None where it does not fit.

    Parameters
    ----------
    product_keys : ndarray of shape (n,), int64
        Keys of the model's rows, with which the catalogue must begin.
    stamps : ndarray of shape (m, 3), int64
        Of the database now.
    """
    keys = arrays["keys"]
    fits = facts["format"] == FORMAT and np.array_equal(keys[: len(product_keys)], product_keys)
    if not fits or not _holds(arrays["stamps"], facts["change"], stamps):
        return None
    ids = _texts(arrays, "external_ids")
    lists = PackedLists(_texts(arrays, "words"), arrays["word_starts"], arrays["word_rows"])
    columns: dict[str, Any] = {name: arrays[name] for name in ARRAYS}
    columns |= {name: Codes().extended(facts["codes"][name]) for name in CODES}
    columns |= {name: LayeredTexts(_texts(arrays, name)) for name in TEXTS}
    return Catalogue(
        **columns,
        key_rows=KeyRows.of(keys),
        facets=_facets(arrays, facts["facets"]),
        index=TextIndex.of_lists(_texts(arrays, "texts"), lists),
        rows_by_id=IdRows(ids, arrays["id_order"]),
        space=facts["space"],
        change=facts["change"],
    )


def _holds(then: Longs, change: int, now: Longs) -> bool:
    """Say whether the products that no later change names are as they were, and all that were known are there."""
    unchanged = now[now[:, 1] <= change]
    places = np.minimum(np.searchsorted(then[:, 0], unchanged[:, 0]), max(len(then) - 1, 0))
    same = len(then) > 0 and np.array_equal(then[places], unchanged)
    return bool(same or not len(unchanged)) and bool(np.isin(then[:, 0], now[:, 0]).all())


def _named(facets: Facets) -> Iterator[tuple[str, Facet[Any]]]:
    """Yield the facets with their names in a snapshot."""
    yield "facets.tags", facets.tags
    for kind in FACETS:
        for name, facet in getattr(facets, kind).items():
            yield f"facets.{kind}.{name}", facet


def _facets(arrays: Mapping[str, AnyArray], names: Mapping[str, list[str]]) -> Facets:
    def facet(name: str) -> Facet[Any]:
        codes = Codes().extended(_texts(arrays, f"{name}.names"))
        return Facet(arrays[f"{name}.rows"], arrays[f"{name}.values"], codes)

    by_kind: dict[str, Any] = {kind: {name: facet(f"facets.{kind}.{name}") for name in names[kind]} for kind in FACETS}
    return Facets(arrays["facets.said"], facet("facets.tags"), **by_kind)


def _packed(name: str, texts: PackedTexts) -> Iterator[tuple[str, AnyArray]]:
    yield f"{name}.starts", texts.starts
    yield f"{name}.content", texts.content


def _texts(arrays: Mapping[str, AnyArray], name: str) -> PackedTexts:
    return PackedTexts(arrays[f"{name}.starts"], arrays[f"{name}.content"])
