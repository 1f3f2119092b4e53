"""A catalogue comes back from its snapshot as it was, follows changes, and is refused over another database."""

import io

import numpy as np
import pytest

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.models.container import ContainerWriter, open_container
from services.recommendation.serving import catalogue_snapshot as module
from services.recommendation.serving.catalogue import Catalogue
from tests.unit.recommendation.small import catalogue, entry

KEYS = np.array([2, 1], np.int64)

SAID = '{"colour": ["red", "blue"], "grams": 5.5, "organic": true}'


def small() -> Catalogue:
    made = catalogue(
        entry(1, 3, name="Green tea", image_url="https://shop/1.png", brand="B", group_id="g", average_rating=4.5),
        entry(2, 4, category="", price=None, currency=None),
        entry(5, 7, name="Größe", category="Tea", inventory_status="PREORDER", attributes=SAID, tags='["a", "b"]'),
        keys=(2, 1),
    )
    return made.with_embeddings("s1", np.array([1, 5]), np.eye(2, dtype=np.float32))


def stamps(*rows: tuple[int, int, int]) -> Longs:
    return np.array(rows, np.int64).reshape(-1, 3)


THEN = stamps((1, 3, 30), (2, 4, 40), (5, 7, 70))


def restored(kept: Catalogue, now: Longs = THEN, keys: Longs = KEYS, then: Longs = THEN) -> Catalogue | None:
    file = io.BytesIO()
    writer = ContainerWriter(file)
    for name, array in module.arrays_of(kept, then):
        writer.add(name, array)
    writer.finish(module.facts_of(kept))
    found = open_container(memoryview(bytearray(file.getvalue())), writable=True)
    return module.catalogue_of(found.arrays, found.facts, keys, now)


def assert_same(one: Catalogue | None, other: Catalogue) -> None:
    assert one is not None
    for name in module.ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name in module.TEXTS:
        rows = range(len(other))
        assert [getattr(one, name)[row] for row in rows] == [getattr(other, name)[row] for row in rows], name
    assert [one.row_of_id(f"p{key}") for key in range(9)] == [other.row_of_id(f"p{key}") for key in range(9)]
    for name in module.CODES:
        assert getattr(one, name).names == getattr(other, name).names, name
    np.testing.assert_array_equal(one.facets.said, other.facets.said)
    for mine, theirs in (
        (one.facets.tags, other.facets.tags),
        (one.facets.texts("colour"), other.facets.texts("colour")),
        (one.facets.numbers("grams"), other.facets.numbers("grams")),
        (one.facets.flags("organic"), other.facets.flags("organic")),
    ):
        assert (mine.rows.tolist(), mine.values.tolist()) == (theirs.rows.tolist(), theirs.values.tolist())
        assert mine.names.names == theirs.names.names
    assert (one.space, one.change, one.rows_of([5, 1, 9]).tolist()) == (other.space, other.change, [2, 1, -1])
    for query in ("tea", "größe product", "nothing"):
        for mine, theirs in zip(one.index.matches(query), other.index.matches(query), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_a_catalogue_comes_back_as_it_was() -> None:
    assert_same(restored(small()), small())


def test_a_catalogue_that_came_back_follows_changes_as_the_one_that_was_read() -> None:
    changes = [entry(1, 8, name="Black tea", price=5), entry(6, 9, name="Kettle"), entry(7, 9)]
    vectors = np.array([[0.6, 0.8], [0, 1]], np.float32)
    back = restored(small())
    assert back is not None
    moved, expected = (
        each.updated(changes).with_embeddings("s1", np.array([1, 6]), vectors) for each in (back, small())
    )
    assert_same(moved, expected)
    assert_same(restored(moved, then=THEN), expected)
    assert_same(
        back.updated(changes).updated([entry(5, 10, name="Small")]),
        small().updated([*changes, entry(5, 10, name="Small")]),
    )


def test_what_an_older_catalogue_shows_does_not_grow() -> None:
    back = restored(small())
    assert back is not None
    one, other = back.updated([entry(8, 8)]), back.updated([entry(9, 8)])
    assert (list(one.external_ids), list(other.external_ids)) == (["p2", "p1", "p5", "p8"], ["p2", "p1", "p5", "p9"])


@pytest.mark.parametrize(
    ("now", "holds"),
    [
        (((1, 3, 30), (2, 4, 40), (5, 7, 70), (6, 8, 80)), True),
        (((1, 9, 90), (2, 4, 40), (5, 7, 70)), True),
        (((1, 3, 31), (2, 4, 40), (5, 7, 70)), False),
        (((1, 2, 30), (2, 4, 40), (5, 7, 70)), False),
        (((1, 3, 30), (2, 4, 40)), False),
        (((1, 3, 30), (2, 4, 40), (4, 5, 50), (5, 7, 70)), False),
        (((1, 3, 30), (2, 4, 40), (5, 7, 70), (6, 7, 70)), False),
        ((), False),
    ],
)
def test_a_snapshot_is_used_over_the_database_that_it_was_taken_of(
    now: tuple[tuple[int, int, int], ...], holds: bool
) -> None:
    assert (restored(small(), stamps(*now)) is not None) == holds


def test_changes_after_the_snapshot_was_taken_are_left_to_be_read() -> None:
    late = stamps((1, 9, 90), (2, 4, 40), (5, 7, 70))
    assert_same(restored(small(), now=late, then=late), small())


def test_another_model_or_format_has_no_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert restored(small(), keys=np.array([1, 2])) is None
    monkeypatch.setattr(module, "FORMAT", 2)
    kept = small()
    monkeypatch.setattr(module, "facts_of", lambda _kept: {"format": 1, "change": 7})
    assert restored(kept) is None


def test_an_empty_catalogue_comes_back() -> None:
    empty = Catalogue.of_keys(np.empty(0, np.int64))
    back = restored(empty, stamps(), np.empty(0, np.int64), stamps())
    assert back is not None
    assert len(back.updated([entry(1)])) == 1
