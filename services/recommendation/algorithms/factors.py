"""Leading singular vectors of sparse matrices, and the quantisation of vectors to int8."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import Csr, FloatArray, Longs, Rows, as_csr
from services.recommendation.algorithms.sparse import plain
from shared.compiled import compiled

NEGLIGIBLE = 1e-3
"""Singular values below this share of the largest are rounding errors; their vectors are dropped."""
ROUNDING = 1e-6
"""Scores from singular vectors below this are rounding errors."""
OVERSAMPLES = 10
"""Number of vectors that are iterated in addition to those wanted, so that these converge in fewer iterations."""
BLOCK_ROWS = 65_536
"""Rows of the matrix that are multiplied at a time, so that memory does not grow with the number of customers."""


def right_vectors(x: Csr, size: int, seed: int, iterations: int = 5) -> FloatArray:
    """Return the leading right singular vectors of `x`, those of the largest singular values first.

    The method is randomised subspace iteration on XᵀX or XXᵀ, whichever is smaller. It reads a block of rows at a time.
    Time grows with entries · size, memory with columns · size.

    Source: Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review 2011, doi:10.1137/090771806

    Parameters
    ----------
    x : csr_array of shape (m, n), float32
    size : int
        Number of vectors.
    seed : int
        Seed of the randomised solver.
    iterations : int
        Number of power iterations; more iterations give more exact vectors.

    Returns
    -------
    ndarray of shape (n, at most size), float32
        Orthonormal columns; fewer than `size` if the rank of `x` is smaller.
    """
    size = min(size, *x.shape)
    if size == 0 or x.nnz == 0:
        return np.zeros((x.shape[1], 0), dtype=np.float32)
    wide = x.shape[0] < x.shape[1]
    values, vectors = _leading(as_csr(x.T) if wide else x, size, seed, iterations)
    if wide:
        vectors = x.T @ (vectors / np.sqrt(values))
    return np.ascontiguousarray(vectors, np.float32)


def _leading(x: Csr, size: int, seed: int, iterations: int) -> tuple[FloatArray, FloatArray]:
    """Return the leading eigenvalues of XᵀX and their vectors, largest first, without rounding errors."""
    import scipy.linalg  # only training needs it: an agent that only serves starts faster without this import

    width = min(size + OVERSAMPLES, x.shape[1])
    basis = np.random.default_rng(seed).standard_normal((x.shape[1], width), dtype=np.float32)
    for _ in range(iterations + 1):
        basis = _orthonormal(_squared(x, basis))
    values, turn = scipy.linalg.eigh((basis.T @ _squared(x, basis)).astype(np.float64))
    leading = np.argsort(-values, kind="stable")[:size]
    leading = leading[values[leading] > NEGLIGIBLE**2 * values.max()]
    found = values[leading].astype(np.float32)
    return found, basis @ turn[:, leading].astype(np.float32)


def _squared(x: Csr, basis: FloatArray) -> FloatArray:
    """Return XᵀX · basis. Each thread has some columns of the basis, so the sums do not depend on the threads."""
    matrix = plain(x)
    parts = np.array_split(np.arange(basis.shape[1]), parallel.allowed())
    columns = [np.ascontiguousarray(basis[:, part]) for part in parts if len(part)]
    return np.concatenate(parallel.each(lambda some: _squared_columns(*matrix, some), columns), axis=1)


@compiled
def _add_scaled(sums: FloatArray, factor: float, values: FloatArray) -> None:
    for place in range(len(sums)):
        sums[place] += factor * values[place]


@compiled
def _squared_columns(indptr: Longs, indices: Rows, data: FloatArray, basis: FloatArray) -> FloatArray:
    """Return XᵀX · basis, where the arrays are those of X in CSR format; `basis` has shape (n, d) in C order.

    The rows of X are added up in blocks, which is more exact than one after the other.
    """
    width = basis.shape[1]
    total = np.zeros_like(basis)
    of_block = np.zeros_like(basis)
    of_row = np.empty(width, np.float32)
    for start in range(0, len(indptr) - 1, BLOCK_ROWS):
        of_block[:] = 0.0
        for row in range(start, min(start + BLOCK_ROWS, len(indptr) - 1)):
            of_row[:] = 0.0
            for at in range(indptr[row], indptr[row + 1]):
                _add_scaled(of_row, data[at], basis[indices[at]])
            for at in range(indptr[row], indptr[row + 1]):
                _add_scaled(of_block[indices[at]], data[at], of_row)
        total += of_block
    return total


def _orthonormal(basis: FloatArray) -> FloatArray:
    import scipy.linalg

    q, _ = scipy.linalg.qr(basis, mode="economic", overwrite_a=True, check_finite=False)
    return np.asarray(q, np.float32)


def quantized(vectors: FloatArray) -> tuple[NDArray[np.int8], FloatArray]:
    """Quantise each vector to int8, with a step size of its own, so that its largest entry becomes ±127.

    An inner product then reads a quarter of the memory.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    steps : ndarray of shape (n, d), int8
        The entries in steps: vector ≈ steps · size.
    sizes : ndarray of shape (n,), float32
        Step size of each vector; 0 for a vector of zeros.
    """
    sizes = (np.abs(vectors).max(axis=1, initial=0.0) / np.float32(np.iinfo(np.int8).max)).astype(np.float32)
    even = np.divide(vectors, sizes[:, None], out=np.zeros_like(vectors), where=sizes[:, None] > 0)
    return np.rint(even).astype(np.int8), sizes


def without_rounding(scores: FloatArray) -> FloatArray:
    """Set scores below `ROUNDING` to 0 in place and return `scores`."""
    # this is ten times as fast as an assignment through a mask
    np.multiply(scores, scores >= ROUNDING, out=scores)
    return scores
