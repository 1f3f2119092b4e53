"""Singular vectors: sums that do not depend on threads, and are those of SciPy."""

import numpy as np
import pytest
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms import factors
from services.recommendation.algorithms.arrays import as_csr
from services.recommendation.algorithms.factors import right_vectors


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_product_has_the_same_bits_on_any_number_of_threads_and_as_scipy_has_it(threads):
    rng = np.random.default_rng(0)
    x = as_csr(sp.random_array((300, 40), density=0.1, rng=rng, dtype=np.float32))
    basis = rng.standard_normal((40, 7), dtype=np.float32)
    with threadpool_limits(limits=threads, user_api="blas"):
        found = factors._squared(x, basis)
    assert found.tobytes() == np.asarray(x.T @ (x @ basis)).tobytes()


def test_the_leading_vectors_are_those_of_a_dense_decomposition():
    rng = np.random.default_rng(1)
    x = (rng.random((60, 4)) @ rng.random((4, 12))).astype(np.float32)
    found = right_vectors(as_csr(x), 3, seed=0, iterations=8)
    expected = np.linalg.svd(x.astype(np.float64))[2][:3].T
    assert np.abs(np.abs((found * expected).sum(axis=0)) - 1).max() < 1e-3
