"""Boosted regression trees as flat arrays, evaluated by a compiled kernel; LightGBM is not needed to evaluate them.

Each tree has at most 16 leaves, numbered from left to right. An internal node tests `x[feature] <= threshold`; where
the test fails, the node's mask removes the leaves of its left subtree. The exit leaf is the first leaf that remains.

Sources: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with additive ensembles of regression
trees", SIGIR 2015, doi:10.1145/2766462.2767733.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import AnyArray, FloatArray
from shared.compiled import compiled

MAX_LEAVES = 16
"""Leaves of a tree, at most: one bit each in a mask."""
DE_BRUIJN = 0x09AF
"""Multiplied by a power of two, the upper four of the lowest 16 bits differ for each of the 16 powers (a De Bruijn
sequence): they are the slot of a leaf's value."""
SLOT_SHIFT = 12
BLOCK = 512
"""Candidates evaluated together: their leaf masks and sums stay in the fastest cache."""
DTYPES = {
    "names": np.dtype(np.uint8),
    "gains": np.dtype(np.float64),
    "starts": np.dtype(np.int64),
    "features": np.dtype(np.int32),
    "thresholds": np.dtype(np.float32),
    "masks": np.dtype(np.uint16),
    "values": np.dtype(np.float64),
}
"""Arrays of `Trees.state`."""


@dataclass(frozen=True, eq=False)
class Trees:
    """The sum of regression trees.

    Parameters
    ----------
    feature_names : tuple of str
        In the order of the columns.
    gain_shares : ndarray of shape (n_features,), float64
        Share of the gain in training that each feature brought.
    starts : ndarray of shape (n_trees + 1,), int64
        First internal node of each tree, and the number of nodes.
    node_features : ndarray of shape (n_nodes,), int32
        Column that each node tests.
    thresholds : ndarray of shape (n_nodes,), float32
    masks : ndarray of shape (n_nodes,), uint16
        Bit i is 0 for each leaf i of the node's left subtree.
    leaf_values : ndarray of shape (n_trees, 16), float64
        Value of leaf i at `leaf_slot(i)`.

    Raises
    ------
    ValueError
        If the arrays do not fit together.
    """

    feature_names: tuple[str, ...]
    gain_shares: NDArray[np.float64]
    starts: NDArray[np.int64]
    node_features: NDArray[np.int32]
    thresholds: FloatArray
    masks: NDArray[np.uint16]
    leaf_values: NDArray[np.float64]

    def __post_init__(self) -> None:
        n_nodes, n_features = len(self.node_features), len(self.feature_names)
        expected = {
            "gains": (self.gain_shares.shape, (n_features,)),
            "features": (self.node_features.shape, (n_nodes,)),
            "thresholds": (self.thresholds.shape, (n_nodes,)),
            "masks": (self.masks.shape, (n_nodes,)),
            "values": (self.leaf_values.shape, (len(self.starts) - 1, MAX_LEAVES)),
        }
        for name, (found, wanted) in expected.items():
            if found != wanted:
                raise ValueError(f"trees: {name} has shape {found}, not {wanted}")
        if (
            len(self.starts) < 2
            or self.starts[0] != 0
            or self.starts[-1] != n_nodes
            or (np.diff(self.starts) < 0).any()
        ):
            raise ValueError(f"trees: starts must ascend from 0 to {n_nodes}, the number of nodes")
        # The kernel does not check bounds.
        if n_nodes and not (self.node_features.min() >= 0 and self.node_features.max() < n_features):
            raise ValueError(f"trees: features must be from 0 to {n_features - 1}")

    @classmethod
    def load(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """Return the trees that `state` described; the arrays are not copied.

        Raises
        ------
        ValueError
            If an array is missing, has another type, or does not fit the others.
        """
        for name, dtype in DTYPES.items():
            if name not in arrays:
                raise ValueError(f"trees: {name} is missing")
            if arrays[name].dtype != dtype:
                raise ValueError(f"trees: {name} is of type {arrays[name].dtype}, not {dtype}")
        names = json.loads(arrays["names"].tobytes())
        if not isinstance(names, list):
            raise ValueError("trees: names is not a list")
        return cls(tuple(names), *(arrays[name] for name in DTYPES if name != "names"))

    def state(self) -> dict[str, AnyArray]:
        """Return the trees as arrays, for `load`."""
        return {
            "names": np.frombuffer(json.dumps(self.feature_names).encode(), np.uint8),
            "gains": self.gain_shares,
            "starts": self.starts,
            "features": self.node_features,
            "thresholds": self.thresholds,
            "masks": self.masks,
            "values": self.leaf_values,
        }

    def values(self, features: FloatArray) -> NDArray[np.float64]:
        """Return the value of each candidate, shape (n_candidates,): larger is better.

        Parameters
        ----------
        features : ndarray of shape (n_candidates, n_features), float32
            Finite. Not copied where it lies column by column in memory (Fortran order).

        Raises
        ------
        ValueError
            If there are more or fewer columns than features.
        """
        if features.ndim != 2 or features.shape[1] != len(self.feature_names):
            raise ValueError(f"features: shape {features.shape}, expected (n, {len(self.feature_names)})")
        columns = np.ascontiguousarray(features.T, np.float32)
        values = np.zeros(len(features))
        add_tree_values(columns, self.starts, self.node_features, self.thresholds, self.masks, self.leaf_values, values)
        return values

    def gains(self) -> dict[str, float]:
        """Return the share of the training gain of each feature, the largest first."""
        order = np.argsort(-self.gain_shares)
        return {self.feature_names[i]: float(self.gain_shares[i]) for i in order.tolist()}


def leaf_slot(leaf: int) -> int:
    """Return the column of `Trees.leaf_values` that holds the value of a leaf."""
    return ((1 << leaf) * DE_BRUIJN & 0xFFFF) >> SLOT_SHIFT


@compiled
def add_tree_values(
    columns: FloatArray,
    starts: NDArray[np.int64],
    node_features: NDArray[np.int32],
    thresholds: FloatArray,
    masks: NDArray[np.uint16],
    leaf_values: NDArray[np.float64],
    values: NDArray[np.float64],
) -> None:
    """Add the value of each tree to `values`, shape (n_candidates,), in place; `columns` is (n_features, n_candidates).

    Candidates are the innermost loop, so that the compiler tests several of them with one instruction.
    """
    n = len(values)
    bits = np.empty(BLOCK, np.uint16)
    for begin in range(0, n, BLOCK):
        width = min(BLOCK, n - begin)
        total = values[begin : begin + width]
        for tree in range(len(starts) - 1):
            bits[:width] = np.uint16(0xFFFF)
            for node in range(starts[tree], starts[tree + 1]):
                column = columns[node_features[node], begin : begin + width]
                threshold, mask = thresholds[node], masks[node]
                for i in range(width):
                    bits[i] &= mask if column[i] > threshold else np.uint16(0xFFFF)
            leaves = leaf_values[tree]
            for i in range(width):
                remaining = np.uint32(bits[i])
                first = remaining & (~remaining + np.uint32(1))
                total[i] += leaves[((first * np.uint32(DE_BRUIJN)) & np.uint32(0xFFFF)) >> np.uint32(SLOT_SHIFT)]
