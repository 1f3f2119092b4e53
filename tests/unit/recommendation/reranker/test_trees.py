import subprocess
import sys

import lightgbm
import numpy as np
import pytest

from services.recommendation.reranker.trees import BLOCK, Trees, leaf_slot
from services.recommendation.training.lightgbm_trees import ZERO, convert, float32_at_most

N, FEATURES = 2 * BLOCK + 7, 6
RNG = np.random.default_rng(3)
TABLE = np.round(RNG.normal(size=(N, FEATURES)) * 4).astype(np.float32) / 3
RELEVANT = (TABLE[:, 0] * TABLE[:, 1] + TABLE[:, 2] > 0).astype(int)


def booster(table: np.ndarray = TABLE, rounds: int = 20, **settings: object) -> lightgbm.Booster:
    fixed = {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 15, "min_data_in_leaf": 5}
    data = lightgbm.Dataset(table, RELEVANT, params={"verbose": -1})
    return lightgbm.train(fixed | settings, data, rounds)


@pytest.mark.parametrize("n", [0, 1, BLOCK, N])
@pytest.mark.parametrize("leaves", [2, 15, 16])
def test_the_kernel_gives_the_values_of_lightgbm(n: int, leaves: int) -> None:
    boosters, scales = [booster(num_leaves=leaves), booster(seed=2, bagging_fraction=0.5, bagging_freq=1)], [0.5, 3.0]
    expected = np.zeros(n)
    for each, scale in zip(boosters, scales, strict=True):
        expected += each.predict(TABLE[:n], raw_score=True) / scale if n else 0.0
    trees = convert(boosters, scales)
    for table in (TABLE[:n], np.asfortranarray(TABLE[:n])):
        np.testing.assert_allclose(trees.values(table), expected, rtol=1e-9, atol=1e-12)


def test_values_on_a_threshold_go_left() -> None:
    trees = convert([booster()], [1.0])
    nodes = {(int(f), t) for f, t in zip(trees.node_features, trees.thresholds, strict=True)}
    table = np.tile(TABLE[0], (len(nodes), 1))
    for row, (feature, threshold) in enumerate(nodes):
        table[row, feature] = threshold
    expected = booster().predict(table, raw_score=True)
    np.testing.assert_allclose(trees.values(table), expected, rtol=1e-9, atol=1e-12)


def test_a_tree_without_a_split_is_a_constant() -> None:
    trees = convert([booster(rounds=1, min_data_in_leaf=N)], [2.0])
    expected = booster(rounds=1, min_data_in_leaf=N).predict(TABLE[:3], raw_score=True) / 2
    assert len(trees.masks) == 0
    np.testing.assert_allclose(trees.values(TABLE[:3]), expected)


def test_each_leaf_has_a_slot_of_its_own() -> None:
    assert sorted(leaf_slot(leaf) for leaf in range(16)) == list(range(16))


def test_thresholds_are_rounded_down() -> None:
    exact = np.array([0.1, 0.3, 1.0, -0.1, 1e30, -1e30])
    rounded = float32_at_most(exact)
    assert (rounded.astype(np.float64) <= exact).all()
    assert (np.nextafter(rounded, np.float32(np.inf)).astype(np.float64) > exact).all()
    assert float32_at_most(np.array([1e300])).tolist() == [float(np.finfo(np.float32).max)]


def test_values_next_to_zero_count_as_zero() -> None:
    below, above = float32_at_most(np.array([-1e-36, 1e-36]))
    assert below < -ZERO
    assert above == ZERO


def test_trees_come_back_from_their_arrays() -> None:
    trees = convert([booster()], [1.0])
    restored = Trees.load(trees.state())
    assert restored.gains() == trees.gains()
    assert list(restored.feature_names) == booster().feature_name()
    np.testing.assert_array_equal(restored.values(TABLE), trees.values(TABLE))


def test_more_than_16_leaves_are_refused() -> None:
    with pytest.raises(ValueError, match="a tree has 17 leaves, at most 16"):
        convert([booster(num_leaves=17)], [1.0])


def test_missing_values_are_refused() -> None:
    holes = TABLE.copy()
    holes[::3] = np.nan
    with pytest.raises(ValueError, match="missing values 'NaN' is not supported"):
        convert([booster(holes)], [1.0])


def test_zero_as_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="missing values 'Zero' is not supported"):
        convert([booster(zero_as_missing=True)], [1.0])


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("features", np.full(3, 99, np.int32), "thresholds has shape"),
        ("starts", np.array([0]), "values has shape"),
        ("masks", np.zeros(2, np.int8), "masks is of type int8, not uint16"),
        ("names", np.frombuffer(b"3", np.uint8), "names is not a list"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(name: str, array: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Trees.load(convert([booster()], [1.0]).state() | {name: array})


def test_a_feature_out_of_range_is_refused() -> None:
    state = convert([booster()], [1.0]).state()
    with pytest.raises(ValueError, match="features must be from 0 to 5"):
        Trees.load(state | {"features": state["features"] + np.int32(FEATURES)})


def test_an_array_that_is_missing_is_named() -> None:
    state = convert([booster()], [1.0]).state()
    del state["masks"]
    with pytest.raises(ValueError, match="masks is missing"):
        Trees.load(state)


def test_a_table_of_other_features_is_refused() -> None:
    with pytest.raises(ValueError, match=r"features: shape \(1031, 5\), expected \(n, 6\)"):
        convert([booster()], [1.0]).values(TABLE[:, :5])


def test_serving_does_not_import_lightgbm() -> None:
    code = "import sys, services.recommendation.models.artifact; sys.exit('lightgbm' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
