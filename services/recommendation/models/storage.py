"""How learned arrays are stored: compact where that does not change what is recommended, and nothing twice.

What is stored says itself how it is read:

    `<matrix>.gaps`, `.lengths`   columns of a CSR matrix (`packing.columns_to_gaps`) and entries of each row
    `<matrix>.steps`, `.scale`    its entries: entry = step · scale of the row; `.kind` is empty, of the type of a step.
                                  It is restored as `RowSteps`, whose `.data` are the steps
    `<matrix>.by_column`          its entries where all entries of a column are the same
    `<matrix>.data`               its entries where they are neither
    `<array>.rows`                distinct rows of a dense array
    `.like`                       rows that are equal are stored once: the place of each row among those stored
    `….deflated`                  bytes compressed by zlib
    else                          the array itself
"""

import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray
from services.recommendation.algorithms.row_steps import ROW_SCALE
from services.recommendation.models.container import ArtifactError
from services.recommendation.models.packing import (
    LAST_BYTE,
    columns_to_gaps,
    entries_of,
    equal_rows,
    gaps_to_columns,
    repeated_rows,
    row_steps,
    starts_of,
)

Named = Iterator[tuple[str, AnyArray]]

NOT_STORED = frozenset({"content/embeddings"})
"""Arrays that the catalogue of the serving process has anyway: stored with no columns."""
ALIKE = frozenset({"graph_filter/steps", "matrix_factorization/steps"})
"""Dense arrays with equal rows: those of products that the same customers met."""
STEPS: Mapping[str, type[np.integer]] = {
    "complementary/neighbours": np.uint8,
    "customer_knn/habits": np.uint8,
    "customer_knn/index": np.uint16,
    "ease/neighbours": np.int8,
    "graph_filter/neighbours": np.uint8,
    "item_knn/neighbours": np.uint8,
    "similar/neighbours": np.uint8,
    "transitions/neighbours": np.uint8,
}
"""Matrices whose entries are stored as steps of their row, and the type of a step: the narrowest that leaves 99 of the
100 best products of the demo shop's customers in place (docs/decisions/0014)."""
DEFLATED = ".deflated"
LEVEL = 1
WORTH_SHARING = 0.05
"""Share of rows that must be equal to others before the places of all rows are worth storing."""
PARTS = frozenset({"lengths", "steps", "scale", "kind", "by_column", "like"})
"""What is read together with `.gaps` or `.rows`."""


def stored(state: Mapping[str, AnyArray]) -> Named:
    """Yield what is stored of the learned arrays of an algorithm, given by names such as `ease/neighbours.data`."""
    for name, array in state.items():
        matrix, _, part = name.rpartition(".")
        if part == "data":
            yield from _stored_matrix(matrix, array, state[f"{matrix}.indices"], state[f"{matrix}.indptr"])
        elif name in NOT_STORED:
            yield name, array[:, :0]
        elif name in ALIKE and array.size:
            yield from _stored_rows(name, array)
        elif part not in ("indices", "indptr"):
            yield name, array


def restored(arrays: Mapping[str, AnyArray]) -> Named:
    """Yield the learned arrays that were stored: themselves where they are stored as they are used, else new ones.

    Raises
    ------
    ArtifactError
        If parts are missing or do not fit together.
    """
    try:
        yield from _restored(arrays)
    except (LookupError, ValueError, zlib.error) as error:
        raise ArtifactError(f"model artefact: an array cannot be restored: {error!r}") from error


def _restored(arrays: Mapping[str, AnyArray]) -> Named:
    for name, array in arrays.items():
        base, _, part = name.removesuffix(DEFLATED).rpartition(".")
        if part == "gaps":
            yield from _restored_matrix(base, arrays)
        elif part == "rows":
            yield base, array[arrays[f"{base}.like"]]
        elif part not in PARTS:
            yield name, array


def _stored_matrix(matrix: str, data: FloatArray, indices: AnyArray, indptr: AnyArray) -> Named:
    by_column = np.zeros(int(indices.max(initial=-1)) + 1, data.dtype)
    by_column[indices] = data
    if len(data) > len(by_column) and np.array_equal(by_column[indices], data):
        yield f"{matrix}.by_column", by_column
    elif matrix in STEPS:
        steps, scale = row_steps(data, indptr, STEPS[matrix])
        yield f"{matrix}.scale", scale
        yield f"{matrix}.kind", steps[:0]
        first, like = equal_rows(len(indptr) - 1, (indices, indptr), (steps, indptr))
        if len(first) < (1 - WORTH_SHARING) * len(like):
            yield f"{matrix}.like", like
            places = entries_of(first, indptr)
            indices, steps, indptr = indices[places], steps[places], starts_of(np.diff(indptr)[first])
        yield _deflated(f"{matrix}.steps", steps)
    else:
        yield f"{matrix}.data", data
    yield f"{matrix}.lengths", np.diff(indptr).astype(np.int32)
    yield _deflated(f"{matrix}.gaps", columns_to_gaps(indices, indptr))


def _restored_matrix(matrix: str, arrays: Mapping[str, AnyArray]) -> Named:
    lengths = arrays[f"{matrix}.lengths"]
    gaps = _inflated(arrays[f"{matrix}.gaps{DEFLATED}"])
    if np.count_nonzero(gaps < LAST_BYTE) != lengths.sum():
        raise ValueError(f"{matrix}: the gaps do not fit the lengths of the rows")
    indptr, indices = starts_of(lengths), gaps_to_columns(gaps, lengths)
    like = arrays.get(f"{matrix}.like")
    if like is not None:
        distinct, indptr = indptr, starts_of(lengths[like])
        indices = repeated_rows(indices, distinct, like)
    yield f"{matrix}.indices", indices
    yield f"{matrix}.indptr", indptr.astype(np.int32) if indptr[-1] <= np.iinfo(np.int32).max else indptr
    if f"{matrix}.by_column" in arrays:
        yield f"{matrix}.data", arrays[f"{matrix}.by_column"][indices]
    elif f"{matrix}.scale" in arrays:
        scale = arrays[f"{matrix}.scale"]
        kind = arrays[f"{matrix}.kind"].dtype
        steps = _inflated(arrays[f"{matrix}.steps{DEFLATED}"]).view(kind)
        if len(steps) != lengths.sum():
            raise ValueError(f"{matrix}: the steps do not fit the lengths of the rows")
        steps = steps if like is None else repeated_rows(steps, distinct, like)
        yield f"{matrix}.data", steps
        yield f"{matrix}.{ROW_SCALE}", scale


def _stored_rows(name: str, array: AnyArray) -> Named:
    first, like = equal_rows(len(array), (array.ravel(), np.arange(len(array) + 1) * array.shape[1]))
    if len(first) < (1 - WORTH_SHARING) * len(like):
        yield f"{name}.like", like
        yield f"{name}.rows", array[first]
    else:
        yield name, array


def _deflated(name: str, array: AnyArray) -> tuple[str, AnyArray]:
    """Return the bytes of an array compressed, under the name that says so."""
    return name + DEFLATED, np.frombuffer(zlib.compress(array.data, LEVEL), np.uint8)


def _inflated(content: AnyArray) -> AnyArray:
    return np.frombuffer(zlib.decompress(content.data), np.uint8)
