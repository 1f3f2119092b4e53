"""Product embeddings are stored per space version and compared by cosine."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.db import product_embeddings, products
from shared.db.engine import Connection, Database
from shared.db.product_embeddings import EmbeddingMatrix
from shared.db.products import NewProduct
from shared.errors import DataLoss

VECTORS = np.array([[1, 0], [0.6, 0.8], [0, 1], [-1, 0]], dtype=np.float32)


@pytest.fixture
def keys(database: Database) -> list[int]:
    new = [NewProduct(external_id=name, name=name) for name in "abcd"]
    with database.write() as connection:
        return sorted(products.upsert_products(connection, new).keys.values())


@pytest.fixture
def connection(database: Database, keys: list[int]) -> Iterator[Connection]:
    with database.write() as connection:
        product_embeddings.store_embeddings(connection, "v1", keys, VECTORS)
        yield connection


def test_what_is_stored_is_read_back_exactly(connection: Connection, keys: list[int]) -> None:
    matrix = product_embeddings.all_embeddings(connection, "v1")
    assert matrix.keys.tolist() == keys
    assert matrix.vectors.dtype == np.float32
    np.testing.assert_array_equal(matrix.vectors, VECTORS)
    np.testing.assert_array_equal(product_embeddings.read_embedding(connection, keys[1], "v1"), VECTORS[1])


def test_some_are_read_by_key_in_the_order_of_the_keys(connection: Connection, keys: list[int]) -> None:
    some = product_embeddings.read_embeddings(connection, [keys[2], keys[0], keys[2], 10**9], "v1")
    assert some.keys.tolist() == [keys[0], keys[2]]
    np.testing.assert_array_equal(some.vectors, VECTORS[[0, 2]])


def test_another_version_has_none(connection: Connection, keys: list[int]) -> None:
    assert product_embeddings.read_embedding(connection, keys[0], "v2") is None
    assert product_embeddings.all_embeddings(connection, "v2").vectors.shape == (0, 0)
    assert product_embeddings.keys_to_embed(connection, "v2") == keys


def test_a_newer_embedding_replaces_the_older_version(connection: Connection, keys: list[int]) -> None:
    product_embeddings.store_embeddings(connection, "v2", keys[:1], np.ones((1, 3), dtype=np.float32))
    product_embeddings.store_embeddings(connection, "v2", [], np.empty((0, 3), dtype=np.float32))
    assert product_embeddings.all_embeddings(connection, "v1").keys.tolist() == keys[1:]
    assert product_embeddings.all_embeddings(connection, "v2").keys.tolist() == keys[:1]
    assert product_embeddings.keys_to_embed(connection, "v2") == keys[1:]
    assert product_embeddings.keys_to_embed(connection, "v1") == keys[:1]


def test_a_dropped_embedding_is_missing(connection: Connection, keys: list[int]) -> None:
    product_embeddings.drop_embeddings(connection, [keys[1], keys[3], 10**9])
    product_embeddings.drop_embeddings(connection, [])
    assert product_embeddings.keys_to_embed(connection, "v1") == [keys[1], keys[3]]


def test_embeddings_of_changed_products_are_found(connection: Connection, keys: list[int]) -> None:
    seen = products.newest_change(connection)
    assert len(product_embeddings.embeddings_changed_since(connection, 0, "v1")) == 4
    assert len(product_embeddings.embeddings_changed_since(connection, seen, "v1")) == 0
    products.upsert_products(connection, [NewProduct(external_id="b", name="new name")])
    product_embeddings.store_embeddings(connection, "v1", [keys[1]], VECTORS[:1])
    changed = product_embeddings.embeddings_changed_since(connection, seen, "v1")
    assert changed.keys.tolist() == [keys[1]]
    np.testing.assert_array_equal(changed.vectors, VECTORS[:1])


def test_similar_products_are_ordered_by_cosine(connection: Connection, keys: list[int]) -> None:
    found, cosines = product_embeddings.similar_products(connection, keys[0], "v1", 2)
    assert found.tolist() == [keys[1], keys[2]]
    np.testing.assert_allclose(cosines, [0.6, 0.0], atol=1e-6)


def test_a_product_without_embedding_has_no_similar_ones(connection: Connection) -> None:
    found, cosines = product_embeddings.similar_products(connection, 10**9, "v1", 2)
    assert found.size == cosines.size == 0


def test_lengths_that_differ_are_told_as_lost_data(connection: Connection, keys: list[int]) -> None:
    product_embeddings.store_embeddings(connection, "v1", keys[:1], np.ones((1, 3), dtype=np.float32))
    with pytest.raises(DataLoss, match="different lengths"):
        product_embeddings.all_embeddings(connection, "v1")


def test_nearest_of_nothing_is_nothing() -> None:
    empty = EmbeddingMatrix(np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.float32))
    found, cosines = empty.nearest(VECTORS[0], 5)
    assert found.size == cosines.size == 0
    assert empty.row_of(1) is None


def test_updating_adds_and_replaces_rows_in_key_order() -> None:
    matrix = EmbeddingMatrix(np.array([2, 4]), VECTORS[:2])
    newer = EmbeddingMatrix(np.array([1, 4]), VECTORS[2:])
    empty = EmbeddingMatrix(np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.float32))
    both = matrix.updated(newer)
    assert both.keys.tolist() == [1, 2, 4]
    np.testing.assert_array_equal(both.vectors, VECTORS[[2, 0, 3]])
    assert matrix.updated(empty) is matrix
    assert empty.updated(newer) is newer


@given(
    st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), min_size=1, max_size=12),
    st.lists(st.integers(-9, 9), min_size=3, max_size=3),
    st.integers(1, 15),
)
def test_nearest_agrees_with_sorting_all_cosines(rows: list[list[int]], vector: list[int], limit: int) -> None:
    vectors = np.array(rows, dtype=np.float32)
    matrix = EmbeddingMatrix(np.arange(10, 10 + len(rows)), vectors)
    found, cosines = matrix.nearest(np.array(vector, dtype=np.float32), limit, exclude=[10])
    assert 10 not in found
    assert len(found) == min(limit, len(rows) - 1)
    assert (np.diff(cosines) <= 0).all()
    assert (np.abs(cosines) <= 1 + 1e-5).all()
    left_out = np.setdiff1d(matrix.keys, [*found, 10])
    if len(left_out) and len(found):
        others = matrix.nearest(np.array(vector, dtype=np.float32), len(rows), exclude=[10, *found])[1]
        assert others[0] <= cosines[-1]
