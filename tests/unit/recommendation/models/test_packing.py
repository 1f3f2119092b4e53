"""Compact forms of matrices: they come back, columns exactly and entries to half a step."""

import zlib

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommendation.models import storage
from services.recommendation.models.container import ArtifactError
from services.recommendation.models.packing import (
    columns_to_gaps,
    equal_rows,
    gaps_to_columns,
    row_steps,
)

SHAPES = st.tuples(st.integers(0, 10_000), st.integers(0, 12), st.integers(1, 60_000), st.floats(0, 0.2))


def matrix_of(seed: int, rows: int, columns: int, density: float) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    n = min(int(rows * columns * density), 500)
    places = rng.integers(0, max(rows, 1), n), rng.integers(0, columns, n)
    made = sp.csr_array((rng.normal(size=n).astype(np.float32), places), shape=(rows, columns), dtype=np.float32)
    made.sum_duplicates()
    return made


def state_of(name: str, matrix: sp.csr_array) -> dict[str, np.ndarray]:
    parts = {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": np.array(matrix.shape)}
    return {f"{name}.{part}": array for part, array in parts.items()}


def entries(restored: dict[str, np.ndarray], name: str) -> np.ndarray:
    scale = restored.get(f"{name}.row_scale")
    data = restored[f"{name}.data"]
    return data if scale is None else data * np.repeat(scale, np.diff(restored[f"{name}.indptr"]))


@settings(deadline=None)
@given(SHAPES)
def test_columns_come_back_exactly(shape):
    matrix = matrix_of(*shape)
    gaps = columns_to_gaps(matrix.indices, matrix.indptr)
    np.testing.assert_array_equal(gaps_to_columns(gaps, np.diff(matrix.indptr)), matrix.indices)


def test_gaps_are_seven_bits_a_byte_the_lowest_first():
    gaps = columns_to_gaps(np.array([3, 130, 131, 20_000]), np.array([0, 3, 4]))
    assert gaps.tolist() == [3, 127, 1, 0b10100000, 0b10011100, 1]


def test_columns_must_ascend():
    with pytest.raises(ValueError, match="must ascend"):
        columns_to_gaps(np.array([5, 3]), np.array([0, 2]))


@settings(deadline=None)
@given(SHAPES, st.sampled_from([np.int8, np.int16]))
def test_entries_come_back_to_half_a_step(shape, dtype):
    matrix = matrix_of(*shape)
    steps, scale = row_steps(matrix.data, matrix.indptr, dtype)
    limit = np.repeat(scale, np.diff(matrix.indptr))
    again = steps * limit
    assert (np.abs(again - matrix.data) <= 1.001 * limit).all()
    assert ((steps == 0) == (matrix.data == 0)).all()
    assert (np.sign(again) == np.sign(matrix.data)).all()


def test_equal_rows_are_found():
    values, starts = np.array([1, 2, 1, 2, 3, 1, 2], np.int32), np.array([0, 2, 4, 4, 5, 7])
    first, like = equal_rows(5, (values, starts))
    assert (first.tolist(), like.tolist()) == ([0, 2, 3], [0, 0, 1, 2, 0])


@settings(deadline=None)
@given(SHAPES, st.sampled_from(["ease/neighbours", "item_knn/neighbours", "popular/counts"]), st.integers(1, 4))
def test_any_matrix_comes_back(shape, name, repeats):
    matrix = sp.csr_array(sp.vstack([abs(matrix_of(*shape))] * repeats, format="csr"))
    state = state_of(name, matrix)
    restored = dict(storage.restored(dict(storage.stored(state))))
    assert restored.keys() - {f"{name}.row_scale"} == state.keys()
    np.testing.assert_array_equal(restored[f"{name}.indices"], matrix.indices)
    np.testing.assert_array_equal(restored[f"{name}.indptr"], matrix.indptr)
    np.testing.assert_array_equal(restored[f"{name}.shape"], matrix.shape)
    limit = abs(matrix.data).max(initial=0) / 127
    np.testing.assert_allclose(entries(restored, name), matrix.data, atol=1.001 * limit)


def test_equal_rows_are_stored_once():
    rng = np.random.default_rng(0)
    row = np.sort(rng.choice(5000, 300, replace=False))
    dense = np.zeros((100, 5000), np.float32)
    dense[:, row] = rng.random(300, np.float32) * rng.random((100, 1), np.float32)
    state = state_of("ease/neighbours", sp.csr_array(dense))
    stored = dict(storage.stored(state))
    assert sum(array.nbytes for array in stored.values()) < 3000
    restored = dict(storage.restored(stored))
    np.testing.assert_allclose(entries(restored, "ease/neighbours"), state["ease/neighbours.data"], atol=0.01)


def test_entries_that_the_column_tells_are_stored_once():
    state = state_of("session_knn/index", sp.csr_array(np.ones((50, 4), np.float32) * [1, 2, 3, 4]))
    stored = dict(storage.stored(state))
    assert stored["session_knn/index.by_column"].tolist() == [1, 2, 3, 4]
    assert dict(storage.restored(stored))["session_knn/index.data"].tolist() == [1, 2, 3, 4] * 50


@pytest.mark.parametrize("copies", [0, 60])
def test_equal_rows_of_dense_arrays_are_stored_once(copies):
    base = np.random.default_rng(0).integers(-127, 128, (40, 16)).astype(np.int8)
    steps = np.concatenate([base, np.repeat(base[:1], copies, axis=0)])
    stored = dict(storage.stored({"graph_filter/steps": steps}))
    assert ("graph_filter/steps.like" in stored) == (copies > 0)
    assert sum(len(array) for name, array in stored.items() if not name.endswith(".like")) == 40
    np.testing.assert_array_equal(dict(storage.restored(stored))["graph_filter/steps"], steps)


@pytest.mark.parametrize("part", ["steps.deflated", "lengths", "kind"])
def test_parts_that_are_missing_are_found(part):
    stored = dict(storage.stored(state_of("ease/neighbours", matrix_of(1, 10, 100, 0.2))))
    del stored[f"ease/neighbours.{part}"]
    with pytest.raises(ArtifactError, match="cannot be restored"):
        dict(storage.restored(stored))


@pytest.mark.parametrize("part", ["gaps.deflated", "steps.deflated"])
@pytest.mark.parametrize("content", [b"", b"damaged", zlib.compress(b"123")])
def test_parts_that_do_not_fit_are_found(part, content):
    stored = dict(storage.stored(state_of("ease/neighbours", matrix_of(1, 10, 100, 0.2))))
    with pytest.raises(ArtifactError, match="cannot be restored"):
        dict(storage.restored(stored | {f"ease/neighbours.{part}": np.frombuffer(content, np.uint8)}))
