"""Turns LightGBM's boosters into `Trees`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.reranker.trees import MAX_LEAVES, Trees, leaf_slot

if TYPE_CHECKING:
    from lightgbm import Booster

ALL_LEAVES = 0xFFFF
ZERO = np.float32(1e-35)
"""LightGBM reads values of at most this size as 0."""


@dataclass
class _Nodes:
    """The internal nodes of all trees so far."""

    starts: list[int] = field(default_factory=lambda: [0])
    features: list[int] = field(default_factory=list)
    thresholds: list[float] = field(default_factory=list)
    masks: list[int] = field(default_factory=list)


def convert(boosters: "Sequence[Booster]", scales: Sequence[float]) -> Trees:
    """Return the sum of the boosters' raw scores, each divided by its scale; gains are those of the first booster.

    Raises
    ------
    ValueError
        If a booster has more than one output, an average instead of a sum, a tree with more than 16 leaves, a linear
        leaf, a categorical split or a split that treats missing values apart.
    """
    nodes = _Nodes()
    values: list[list[float]] = []
    for booster, scale in zip(boosters, scales, strict=True):
        values += [_add_tree(nodes, tree, scale) for tree in _dumped(booster)]
    gains = boosters[0].feature_importance("gain")
    return Trees(
        tuple(boosters[0].feature_name()),
        np.asarray(gains / max(gains.sum(), 1e-9), np.float64),
        np.array(nodes.starts, np.int64),
        np.array(nodes.features, np.int32),
        float32_at_most(np.array(nodes.thresholds, np.float64)),
        np.array(nodes.masks, np.uint16),
        np.array(values, np.float64),
    )


def float32_at_most(thresholds: NDArray[np.float64]) -> FloatArray:
    """Return float32 thresholds with which `x <= threshold` has LightGBM's result for every float32 x.

    They are the largest float32 ≤ each threshold. LightGBM reads a value within ± `ZERO` as 0, so a threshold within
    moves to the end of that range: below it if negative, else to its upper end.
    """
    with np.errstate(over="ignore"):
        rounded = thresholds.astype(np.float32)
        below = np.nextafter(rounded, np.float32(-np.inf))
    at_most = np.where(rounded > thresholds, below, rounded)
    at_most[(thresholds >= -ZERO) & (thresholds < 0)] = np.nextafter(-ZERO, np.float32(-np.inf))
    at_most[(thresholds >= 0) & (thresholds < ZERO)] = ZERO
    return at_most


def _dumped(booster: "Booster") -> list[dict[str, Any]]:
    model = booster.dump_model()
    if model["num_tree_per_iteration"] != 1 or model["average_output"]:
        raise ValueError("booster: only a sum of trees with one output can be converted")
    return [tree["tree_structure"] for tree in model["tree_info"]]


def _add_tree(nodes: _Nodes, root: Mapping[str, Any], scale: float) -> list[float]:
    """Append the nodes of a tree and return the values of its leaves by slot."""
    leaves: list[float] = []
    _add_node(nodes, root, leaves)
    nodes.starts.append(len(nodes.features))
    if len(leaves) > MAX_LEAVES:
        raise ValueError(f"booster: a tree has {len(leaves)} leaves, at most {MAX_LEAVES} are supported")
    values = [0.0] * MAX_LEAVES
    for leaf, value in enumerate(leaves):
        values[leaf_slot(leaf)] = value / scale
    return values


def _add_node(nodes: _Nodes, node: Mapping[str, Any], leaves: list[float]) -> None:
    if "split_feature" not in node:
        if "leaf_const" in node:
            raise ValueError("booster: linear leaves are not supported")
        leaves.append(float(node["leaf_value"]))
        return
    if node["decision_type"] != "<=" or node["missing_type"] != "None":
        raise ValueError(
            f"booster: a split of kind {node['decision_type']!r} with missing values {node['missing_type']!r} "
            "is not supported, only '<=' with 'None'"
        )
    first = len(leaves)
    _add_node(nodes, node["left_child"], leaves)
    left = (1 << len(leaves)) - (1 << first)
    nodes.features.append(int(node["split_feature"]))
    nodes.thresholds.append(float(node["threshold"]))
    nodes.masks.append(ALL_LEAVES & ~left)
    _add_node(nodes, node["right_child"], leaves)
