"""Leading singular vectors of sparse matrices."""

import numpy as np

from services.recommendation.algorithms.arrays import Csr, FloatArray

NEGLIGIBLE = 1e-4
"""Singular values below this share of the largest are rounding: their vectors mean nothing."""
ROUNDING = 1e-6
"""Scores by singular vectors below this are errors of rounding."""


def right_vectors(x: Csr, size: int, seed: int, iterations: int = 5) -> FloatArray:
    """Return the leading right singular vectors, largest first.

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
    # Imported here: only training needs it, and it would double the start-up time of the serving agent.
    from sklearn.utils.extmath import randomized_svd

    _, values, vectors = randomized_svd(x, size, n_iter=iterations, random_state=seed)
    return np.ascontiguousarray(vectors[values > NEGLIGIBLE * values[0]].T, dtype=np.float32)


def without_rounding(scores: FloatArray) -> FloatArray:
    """Return `scores`, changed in place, with 0 for what is negative or an error of rounding."""
    scores[scores < ROUNDING] = 0.0
    return scores
