"""Leading singular vectors of sparse matrices, and vectors in whole steps of a byte."""

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Csr, FloatArray, as_csr

NEGLIGIBLE = 1e-3
"""Singular values below this share of the largest are rounding: their vectors mean nothing."""
ROUNDING = 1e-6
"""Scores by singular vectors below this are errors of rounding."""
OVERSAMPLES = 10
"""Vectors iterated beyond those wanted, which makes these exact sooner."""
BLOCK_ROWS = 65_536
"""Rows of the matrix that are multiplied at a time: memory does not grow with the number of customers."""


def right_vectors(x: Csr, size: int, seed: int, iterations: int = 5) -> FloatArray:
    """Return the leading right singular vectors, largest first.

    Randomised subspace iteration on XᵀX or XXᵀ, whichever is smaller, a block of rows at a time: time grows with
    entries · size, memory with columns · size.

    Source: Halko, Martinsson & Tropp, "Finding structure with randomness", SIAM Review 2011, doi:10.1137/090771806

    Parameters
    ----------
    x : csr_array of shape (m, n), float32
    size : int
        Vectors wanted.
    seed : int
        Seed of the randomised solver.
    iterations : int
        Power iterations; more are more exact.

    Returns
    -------
    ndarray of shape (n, at most size), float32
        Orthonormal columns, fewer where the rank is smaller.
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
    """Return the leading eigenvalues of XᵀX, largest first and without those that are rounding, and their vectors."""
    import scipy.linalg  # for training: an agent that only answers starts sooner without

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
    """Return XᵀX · basis."""
    total = np.zeros_like(basis)
    for start in range(0, x.shape[0], BLOCK_ROWS):
        block = as_csr(x[start : start + BLOCK_ROWS])
        total += block.T @ (block @ basis)
    return total


def _orthonormal(basis: FloatArray) -> FloatArray:
    import scipy.linalg

    q, _ = scipy.linalg.qr(basis, mode="economic", overwrite_a=True, check_finite=False)
    return np.asarray(q, np.float32)


def quantized(vectors: FloatArray) -> tuple[NDArray[np.int8], FloatArray]:
    """Round each vector to whole shares of its largest entry: a quarter of the memory to read for an inner product.

    Returns
    -------
    steps : ndarray of the shape of `vectors`, int8
        Vector = step · size.
    sizes : ndarray of shape (n,), float32
        Size of a step of each vector; 0 for a vector of zeros.
    """
    sizes = (np.abs(vectors).max(axis=1, initial=0.0) / np.float32(np.iinfo(np.int8).max)).astype(np.float32)
    even = np.divide(vectors, sizes[:, None], out=np.zeros_like(vectors), where=sizes[:, None] > 0)
    return np.rint(even).astype(np.int8), sizes


def without_rounding(scores: FloatArray) -> FloatArray:
    """Return `scores`, changed in place, with 0 for what is negative or an error of rounding."""
    # ten times as fast as an assignment to a mask
    np.multiply(scores, scores >= ROUNDING, out=scores)
    return scores
