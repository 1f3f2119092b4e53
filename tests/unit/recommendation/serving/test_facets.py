"""Attributes and tags by column: what products say is found under its name and type, and follows changes."""

import json
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.serving.facets import LONGEST_TEXT, Facets
from shared.db.products import CatalogueEntry
from tests.unit.recommendation.small import entry


def said(key: int, attributes: dict[str, Any] | None = None, tags: list[str] | None = None) -> CatalogueEntry:
    return entry(key, attributes=json.dumps(attributes or {}), tags=json.dumps(tags or []))


def rows(*values: int) -> Any:
    return np.array(values, np.int32)


def test_each_type_has_columns_of_its_own() -> None:
    facets = Facets.of_nothing(4).updated(
        rows(2, 0, 1),
        [
            said(3, {"colour": ["red", "blue"], "size": 42, "organic": True}, ["sale"]),
            said(1, {"colour": "red", "size": "large"}),
            said(2, {"organic": False}, ["sale", "new"]),
        ],
    )
    assert facets.texts("colour").rows_with("red").tolist() == [0, 2]
    assert facets.texts("colour").rows_with("blue").tolist() == [2]
    assert facets.texts("colour").rows_with("green").tolist() == []
    assert facets.texts("size").rows_with("large").tolist() == [0]
    assert (facets.numbers("size").rows.tolist(), facets.numbers("size").values.tolist()) == ([2], [42.0])
    assert (facets.flags("organic").rows.tolist(), facets.flags("organic").values.tolist()) == ([1, 2], [False, True])
    assert facets.tags.rows_with("sale").tolist() == [1, 2]
    assert facets.texts("nothing").rows_with("x").tolist() == facets.numbers("nothing").rows.tolist() == []


def test_texts_too_long_to_filter_by_are_left_out() -> None:
    facets = Facets.of_nothing(1).updated(rows(0), [said(1, {"a": "x" * LONGEST_TEXT, "b": "x" * (LONGEST_TEXT + 1)})])
    assert len(facets.texts("a").rows) == 1
    assert len(facets.texts("b").rows) == 0


def test_what_says_the_same_as_before_makes_nothing_new() -> None:
    first = said(1, {"colour": "red"}, ["a"])
    facets = Facets.of_nothing(2).updated(rows(0), [first])
    assert facets.updated(rows(0, 1), [first._replace(price=1), said(2)]) is facets


def test_columns_that_do_not_change_are_shared() -> None:
    facets = Facets.of_nothing(2).updated(rows(0), [said(1, {"colour": "red"})])
    assert facets.updated(rows(1), [said(2, {"size": 1})]).texts("colour") is facets.texts("colour")


VALUES = st.one_of(st.sampled_from(["a", "b"]), st.integers(0, 3), st.booleans(), st.lists(st.sampled_from(["a", "b"])))
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.dictionaries(st.sampled_from(["x", "y"]), VALUES, max_size=2),
        st.lists(st.sampled_from(["s", "t"]), max_size=2),
    ),
    max_size=12,
)


@given(CHANGES)
def test_after_any_changes_the_columns_say_what_the_products_say(
    changes: list[tuple[int, dict[str, Any], Any]],
) -> None:
    facets, model = Facets.of_nothing(5), {row: ({}, []) for row in range(5)}
    for row, attributes, tags in changes:
        facets = facets.updated(rows(row), [said(row, attributes, tags)])
        model[row] = (attributes, tags)
    for name in ("x", "y"):
        given_ = {row: attributes[name] for row, (attributes, _) in model.items() if name in attributes}
        for text in ("a", "b"):
            expected = [
                row for row, value in given_.items() if value == text or (type(value) is list and text in value)
            ]
            assert facets.texts(name).rows_with(text).tolist() == expected
        numbers = {row: value for row, value in given_.items() if type(value) is int}
        flags = {row: value for row, value in given_.items() if type(value) is bool}
        for facet, pairs in ((facets.numbers(name), numbers), (facets.flags(name), flags)):
            assert dict(zip(facet.rows.tolist(), facet.values.tolist(), strict=True)) == pairs
    for tag in ("s", "t"):
        assert facets.tags.rows_with(tag).tolist() == [row for row, (_, tags) in model.items() if tag in tags]
