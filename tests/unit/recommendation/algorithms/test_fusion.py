import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.recommendation.algorithms.fusion import fuse

N = 12
score_arrays = arrays(np.float32, N, elements=st.integers(0, 6).map(float))
several = st.dictionaries(st.sampled_from("abcd"), score_arrays, min_size=1)
weightings = st.fixed_dictionaries({name: st.floats(0.01, 10) for name in "abcd"})
depths = st.integers(1, N + 3)


@given(several, weightings, depths)
def test_scores_are_fractions_and_the_parts_add_up(scores, weights, depth):
    fused = fuse(scores, weights, depth=depth)
    assert ((fused.scores >= 0) & (fused.scores <= 1)).all()
    for product in range(N):
        assert sum(fused.contributions(product).values()) == pytest.approx(fused.scores[product], abs=1e-5)
        proposed = any(array[product] > 0 for array in scores.values())
        assert proposed or fused.scores[product] == 0


@given(several, weightings, depths, st.permutations(range(N)))
def test_the_order_of_products_does_not_matter(scores, weights, depth, order):
    plain = fuse(scores, weights, depth=depth).scores
    shuffled = fuse({name: array[order] for name, array in scores.items()}, weights, depth=depth).scores
    np.testing.assert_allclose(shuffled, plain[order], rtol=1e-5)


@given(several, weightings, depths)
def test_weight_zero_is_as_absent(scores, weights, depth):
    assume(len(scores) > 1)
    left_out = min(scores)
    rest = {name: array for name, array in scores.items() if name != left_out}
    without = fuse(rest, weights, depth=depth)
    for silenced in (weights | {left_out: 0.0}, {n: w for n, w in weights.items() if n != left_out}):
        silent = fuse(scores, silenced, depth=depth)
        np.testing.assert_array_equal(silent.scores, without.scores)
        assert left_out not in silent.names


@given(several, weightings, depths, st.integers(0, N - 1), st.integers(1, 9))
def test_a_better_score_never_hurts(scores, weights, depth, product, gain):
    name = min(scores)
    raised = scores[name].copy()
    raised[product] += gain
    before = fuse(scores, weights, depth=depth).scores
    after = fuse(scores | {name: raised}, weights, depth=depth).scores
    assert after[product] >= before[product] - 1e-6
    others = np.arange(N) != product
    assert (after[others] <= before[others] + 1e-6).all()


@given(several, weightings)
def test_the_scale_of_scores_and_weights_does_not_matter(scores, weights):
    plain = fuse(scores, weights).scores
    stretched = {name: np.sqrt(array) * 1000 for name, array in scores.items()}
    heavier = {name: weight * 7 for name, weight in weights.items()}
    np.testing.assert_allclose(fuse(stretched, heavier).scores, plain, rtol=1e-5)


@given(several, weightings, arrays(np.bool_, N), depths)
def test_masked_products_are_left_out_before_ranking(scores, weights, allowed, depth):
    masked = fuse(scores, weights, allowed=allowed, depth=depth).scores
    removed = fuse({n: np.where(allowed, a, 0) for n, a in scores.items()}, weights, depth=depth).scores
    np.testing.assert_array_equal(masked, removed)
    assert not masked[~allowed].any()


@given(several, weightings, depths, st.integers(0, N))
def test_top_is_best_first_and_complete(scores, weights, depth, n):
    fused = fuse(scores, weights, depth=depth)
    top = fused.top(n)
    assert len(top) == min(n, np.count_nonzero(fused.scores))
    assert fused.scores[top].tolist() == sorted(fused.scores.tolist(), reverse=True)[: len(top)]


def test_a_product_that_two_propose_beats_one_that_a_louder_one_proposes():
    a = np.array([900.0, 800.0, 0.0], np.float32)
    b = np.array([0.0, 0.2, 0.1], np.float32)
    fused = fuse({"a": a, "b": b}, {"a": 0.5, "b": 0.5}, k=1.0)
    np.testing.assert_allclose(fused.scores, [0.5, 0.5 * 2 / 3 + 0.5, 0.5 * 2 / 3], rtol=1e-6)
    assert fused.top(3).tolist() == [1, 0, 2]
    assert list(fused.contributions(1)) == ["b", "a"]
    assert list(fused.contributions(0)) == ["a"]


def test_depth_cuts_off_and_equals_stay_together():
    scores = np.array([3, 2, 2, 1], np.float32)
    assert np.flatnonzero(fuse({"a": scores}, {"a": 1.0}, depth=2).scores).tolist() == [0, 1, 2]


def test_nobody_with_weight_means_no_opinion():
    fused = fuse({"a": np.ones(3, np.float32)}, {"b": 1.0})
    assert not fused.scores.any()
    assert fused.top(5).tolist() == []
    assert fused.contributions(0) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": {}}, "scores"),
        ({"scores": {"a": np.ones(2, np.float32), "b": np.ones(3, np.float32)}}, "scores"),
        ({"weights": {"a": -1.0}}, r"weights\['a'\]"),
        ({"weights": {"a": float("nan")}}, r"weights\['a'\]"),
        ({"weights": {"a": float("inf")}}, r"weights\['a'\]"),
        ({"k": 0.0}, "k:"),
        ({"depth": 0}, "depth:"),
    ],
)
def test_bad_arguments_are_named(change, message):
    arguments = {"scores": {"a": np.ones(3, np.float32)}, "weights": {"a": 1.0}} | change
    with pytest.raises(ValueError, match=message):
        fuse(**arguments)
