"""Every vector is in the cluster of its nearest centre, and the search begins with its own cluster."""

import numpy as np
from numpy.typing import NDArray

from services.product.clusters import cluster


def groups(count: int, each: int) -> NDArray[np.float32]:
    """Return `count` groups of `each` nearly equal vectors, one group after the other."""
    rng = np.random.default_rng(2)
    centres = np.eye(count)
    vectors = np.repeat(centres, each, axis=0) + rng.normal(0, 0.01, (count * each, count))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def test_every_row_is_in_one_cluster() -> None:
    found = cluster(groups(9, 9), searched=2)
    assert len(found.members) == 9
    assert np.sort(np.concatenate(found.members)).tolist() == list(range(81))


def test_what_is_alike_is_near() -> None:
    found = cluster(groups(9, 9), searched=3)
    of_row = np.empty(81, dtype=np.int64)
    for number, members in enumerate(found.members):
        of_row[members] = number
    for first in range(0, 81, 9):
        near = found.near(int(of_row[first]))
        assert set(range(first, first + 9)) <= set(near.tolist())
        assert np.all(np.diff(near) > 0)


def test_a_cluster_is_nearest_to_itself() -> None:
    found = cluster(groups(9, 9), searched=3)
    assert found.nearest.shape == (9, 3)
    assert found.nearest[:, 0].tolist() == list(range(9))


def test_one_vector_is_one_cluster() -> None:
    found = cluster(np.array([[1.0, 0.0]], dtype=np.float32), searched=16)
    assert found.near(0).tolist() == [0]


def test_the_same_seed_gives_the_same_clusters() -> None:
    one, other = (cluster(groups(9, 9), searched=2, seed=4) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one.members, other.members, strict=True))
