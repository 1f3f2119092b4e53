"""How learned arrays are stored: narrow where that does not change what is recommended, and nothing twice.

What an array was made into shows from what is stored, so reading needs no table:

    dense array of dtype float16        the array, rounded
    `<matrix>.scale` is there           the entries of row r are scale[r] · `<matrix>.steps`
    `<matrix>.by_column` is there       the entry in column c is by_column[c], whatever the row; there is no `.data`
    else                                the array itself

Entries of a matrix are rounded relative to the largest of their row, so that sums over rows keep their order.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray
from shared.compiled import compiled

NOT_STORED = frozenset({"content/embeddings"})
"""Arrays that the catalogue of the serving process has anyway: stored with no columns."""
HALF = frozenset({"graph_filter/factors", "matrix_factorization/factors"})
"""Dense arrays that are stored as float16."""
SCALED = frozenset(
    {
        "customer_knn/habits",
        "customer_knn/index",
        "complementary/neighbours",
        "ease/neighbours",
        "graph_filter/neighbours",
        "item_knn/neighbours",
        "similar/neighbours",
        "transitions/neighbours",
    }
)
"""Matrices whose entries are stored as integers over the largest of their row."""
STEPS = np.iinfo(np.int16).max
HALF_MAX = float(np.finfo(np.float16).max)


def stored(state: Mapping[str, AnyArray]) -> Iterator[tuple[str, AnyArray]]:
    """Yield what is stored of the learned arrays of an algorithm, given by names such as `ease/neighbours.data`."""
    for name, array in state.items():
        matrix, _, part = name.rpartition(".")
        if part == "data":
            yield from _stored_entries(matrix, array, state)
        elif name in NOT_STORED:
            yield name, array[:, :0]
        elif name in HALF and np.abs(array).max(initial=0.0) < HALF_MAX:
            yield name, array.astype(np.float16)
        else:
            yield name, _narrow_integers(array) if part in "indices/indptr" else array


def restored(arrays: Mapping[str, AnyArray]) -> Iterator[tuple[str, AnyArray]]:
    """Yield the learned arrays that were stored: themselves where they are stored as they are used, else new ones."""
    for name, array in arrays.items():
        matrix, _, part = name.rpartition(".")
        if part == "scale":
            yield f"{matrix}.data", unscaled(arrays[f"{matrix}.steps"], arrays[f"{matrix}.indptr"], array)
        elif part == "by_column":
            yield f"{matrix}.data", array[arrays[f"{matrix}.indices"]]
        elif part != "steps":
            yield name, array.astype(np.float32) if array.dtype == np.float16 else array


def _stored_entries(matrix: str, data: AnyArray, state: Mapping[str, AnyArray]) -> Iterator[tuple[str, AnyArray]]:
    indices, indptr = state[f"{matrix}.indices"], state[f"{matrix}.indptr"]
    by_column = np.zeros(int(state[f"{matrix}.shape"][1]), data.dtype)
    by_column[indices] = data
    if len(data) > len(by_column) and np.array_equal(by_column[indices], data):
        yield f"{matrix}.by_column", by_column
    elif matrix in SCALED:
        scale = row_scales(data, indptr)
        yield f"{matrix}.steps", scaled_steps(data, indptr, scale)
        yield f"{matrix}.scale", scale
    else:
        yield f"{matrix}.data", data


def _narrow_integers(array: AnyArray) -> AnyArray:
    return array.astype(np.int32) if array.max(initial=0) <= np.iinfo(np.int32).max else array


def row_scales(data: FloatArray, indptr: AnyArray) -> FloatArray:
    """Return what a step of each row of a CSR matrix is worth, shape (n_rows,), float32; 0 for an empty row."""
    scale = np.zeros(len(indptr) - 1, np.float32)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        scale[filled] = np.maximum.reduceat(np.abs(data), indptr[filled]) / np.float32(STEPS)
    return scale


@compiled
def scaled_steps(data: FloatArray, indptr: AnyArray, scale: FloatArray) -> AnyArray:
    """Return the entries of a CSR matrix in steps of their row, int16; none but 0 itself becomes 0."""
    steps = np.zeros(len(data), np.int16)
    for row in range(len(scale)):
        for at in range(indptr[row], indptr[row + 1]):
            if data[at] != 0.0:
                least = 1 if data[at] > 0.0 else -1
                near = np.int16(np.rint(data[at] / scale[row]))
                steps[at] = near if near != 0 else least
    return steps


@compiled
def unscaled(steps: AnyArray, indptr: AnyArray, scale: FloatArray) -> FloatArray:
    """Return the entries of a CSR matrix from steps of their row, float32."""
    data = np.empty(len(steps), np.float32)
    for row in range(len(scale)):
        for at in range(indptr[row], indptr[row + 1]):
            data[at] = np.float32(steps[at]) * scale[row]
    return data
