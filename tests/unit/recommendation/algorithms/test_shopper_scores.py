"""Sparse scores against their obvious dense twins."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommendation.algorithms.arrays import as_csr
from services.recommendation.algorithms.bits import count_bits, lowest_bit, rows_as_bits
from services.recommendation.algorithms.largest import about_largest
from services.recommendation.algorithms.session_knn import nearest_sessions
from services.recommendation.algorithms.shopper_scores import (
    BlendedScores,
    FewScores,
    OrderedScores,
    ProductVectors,
    VectorScores,
)
from services.recommendation.algorithms.workspace import workspace

seeds = st.integers(0, 2**32 - 1)


def require_top(scores, dense, allowed, k):
    rows, values = scores.top(k, allowed)
    expected = np.sort(dense[allowed & (dense > 0)])[::-1][:k]
    assert allowed[rows].all()
    assert len(set(rows.tolist())) == len(rows)
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(dense[rows], values, rtol=1e-4, atol=1e-6)


def require_clean(n):
    scratch = workspace(n)
    assert not scratch.sums.any()
    assert not scratch.met.any()
    assert (scratch.slots == -1).all()


@given(seeds, st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_few_scores_are_those_of_the_dense_sum(seed, k):
    rng = np.random.default_rng(seed)
    matrix = as_csr(sp.random_array((80, 80), density=0.2, rng=rng, data_sampler=lambda size: rng.normal(size=size)))
    rows = np.sort(rng.permutation(80)[:10]).astype(np.int32)
    weights = rng.random(10).astype(np.float32)
    dense = np.maximum(weights @ matrix[rows].toarray(), 0.0)
    found = FewScores.of_rows(matrix, rows, weights)
    require_top(found, dense, rng.random(80) < 0.7, k)
    some = rng.permutation(80)[:20].astype(np.int32)
    np.testing.assert_allclose(found.at(some), dense[some], rtol=1e-4, atol=1e-6)
    require_clean(80)


@given(seeds, st.integers(1, 60), st.booleans(), st.sampled_from([2, 40, 70]))
@settings(max_examples=100, deadline=None)
def test_the_search_with_bounds_finds_what_all_inner_products_find(seed, k, with_near, width):
    rng = np.random.default_rng(seed)
    n, m = 400, 300
    factors = (rng.normal(size=(m, width)) * rng.exponential(size=(m, 1))).astype(np.float32)
    scale = rng.random(m).astype(np.float32)
    rows = np.sort(rng.permutation(n)[:m]).astype(np.int32)
    slots = np.full(n, -1, np.int32)
    slots[rows] = np.arange(m)
    point = rng.normal(size=width).astype(np.float32)
    dense = np.zeros(n, np.float32)
    dense[rows] = scale * (factors @ point)
    near = None
    if with_near:
        met = np.sort(rng.permutation(n)[:50]).astype(np.int32)
        near = FewScores(met, rng.random(50).astype(np.float32), n)
        dense[met] += near.values
    dense[dense < 1e-6] = 0.0
    found = VectorScores(point, ProductVectors(factors, scale, rows, slots), 1e-6, near)
    require_top(found, dense, rng.random(n) < 0.7, k)
    some = rng.permutation(n)[:30].astype(np.int32)
    np.testing.assert_allclose(found.at(some), dense[some], rtol=1e-4, atol=1e-5)
    require_clean(n)


def test_a_search_among_some_products_finds_what_a_mask_of_them_finds():
    rng = np.random.default_rng(3)
    vectors = ProductVectors.of_all(
        rng.normal(size=(40, 5)).astype(np.float32), rng.random(40).astype(np.float32) + 0.1
    )
    scores = VectorScores(rng.normal(size=5).astype(np.float32), vectors, 0.0)
    some, allowed = np.array([3, 8, 20, 21, 39], np.int32), rng.random(40) < 0.8
    among = scores.over(vectors.of(some))
    rows, values = among.top(3, allowed)
    expected, expected_values = scores.top(3, allowed & np.isin(np.arange(40), some))
    assert rows.tolist() == expected.tolist()
    np.testing.assert_allclose(values, expected_values, rtol=1e-6)
    np.testing.assert_allclose(among.at(some), scores.at(some), rtol=1e-6)
    assert among.at(np.array([0, 1], np.int32)).tolist() == [0.0, 0.0]


@given(seeds, st.integers(1, 60))
@settings(max_examples=30, deadline=None)
def test_ordered_scores(seed, k):
    rng = np.random.default_rng(seed)
    dense = np.maximum(rng.normal(size=100), 0).astype(np.float32)
    found = OrderedScores.of(dense)
    require_top(found, dense, rng.random(100) < 0.3, k)
    np.testing.assert_array_equal(found.at(np.array([3, 1], np.int32)), dense[[3, 1]])


@given(seeds, st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_blended_scores_are_those_of_the_dense_sum(seed, k):
    rng = np.random.default_rng(seed)
    base = np.maximum(rng.normal(size=100), 0).astype(np.float32)
    near = FewScores(np.sort(rng.permutation(100)[:20]).astype(np.int32), rng.random(20).astype(np.float32), 100)
    dense = np.float32(0.3) * base
    dense[near.rows] += near.values
    found = BlendedScores(OrderedScores.of(base), 0.3, near)
    require_top(found, dense, rng.random(100) < 0.5, k)
    some = rng.permutation(100)[:20].astype(np.int32)
    np.testing.assert_allclose(found.at(some), dense[some], rtol=1e-5)
    require_clean(100)


def test_sums_that_cancel_out_are_no_scores():
    matrix = as_csr(np.array([[0.0, 1.0, 2.0], [0.0, -1.0, 1.0], [0.0, 0.0, 0.0]]))
    found = FewScores.of_rows(matrix, np.array([0, 1], np.int32), np.ones(2, np.float32))
    assert found.rows.tolist() == [2]
    assert found.values.tolist() == [3.0]
    require_clean(3)


@pytest.mark.parametrize("size", [3, 50, 10])
def test_a_workspace_grows_and_stays(size):
    assert len(workspace(size).sums) >= size
    assert workspace(size) is workspace(size)


@given(seeds, st.integers(1, 60), st.integers(0, 60))
def test_the_nearest_sessions_are_those_that_a_whole_sort_finds(seed, k, n):
    rng = np.random.default_rng(seed)
    scratch = workspace(100)
    met = rng.permutation(100)[:n].astype(np.int32)
    sums = np.zeros(100, np.float32)
    scratch.sums[met] = sums[met] = rng.integers(1, 5, n)
    scratch.slots[met] = latest = rng.integers(1, 31, n).astype(np.int32)
    scratch.met[:] |= rows_as_bits(met, scratch.size)
    found, votes = nearest_sessions(scratch.sums, scratch.slots, scratch.met, k, 30)
    assert found.tolist() == sorted(sorted(met, key=lambda row: (-sums[row], -row))[:k], reverse=True)
    place = dict(zip(met.tolist(), latest.tolist(), strict=True))
    expected = [sums[row] * (1.0 - 0.1 * min(30 - place[row], 9)) for row in found.tolist()]
    np.testing.assert_allclose(votes, expected, rtol=1e-6)
    require_clean(100)


@given(seeds, st.integers(1, 60), st.integers(0, 200))
def test_an_edge_lets_the_largest_through_and_few_more(seed, k, n):
    values = np.exp(np.random.default_rng(seed).normal(0.0, 3.0, n)).astype(np.float32)
    edge = about_largest(values, k)
    largest = np.sort(values)[::-1]
    assert n <= k or edge <= largest[k - 1] <= edge * 1.04
    assert n > k or edge == 0.0


@given(st.sets(st.integers(0, 299)))
def test_bits_hold_a_set_of_rows(rows):
    words = rows_as_bits(np.array(sorted(rows), np.int32), 300)
    assert count_bits(words) == len(rows)
    assert sum(int(word) << (64 * place) for place, word in enumerate(words)) == sum(1 << row for row in rows)
    assert all(lowest_bit(np.uint64(1 << place | 1 << 63)) == place for place in range(64))
