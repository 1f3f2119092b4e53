"""Clusters of embeddings, so that a search in a large catalogue compares only products of nearby clusters."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.product.feature_encoders import FloatArray

SAMPLED = 40
"""Number of vectors per cluster from which the centres are learned."""
ASSIGNED_TOGETHER = 4096


@dataclass(frozen=True, eq=False)
class Clusters:
    """Vectors grouped by their nearest cluster centre."""

    members: list[NDArray[np.int64]]
    """Rows of each cluster, ascending; every row is in one cluster."""
    nearest: NDArray[np.int64]
    """Shape (clusters, searched): the clusters whose centres are nearest to each centre, starting with itself."""

    def near(self, cluster: int) -> NDArray[np.int64]:
        """Return the rows of the clusters nearest to `cluster`, itself included, ascending."""
        return np.sort(np.concatenate([self.members[each] for each in self.nearest[cluster]]))


def cluster(vectors: FloatArray, searched: int, seed: int = 0) -> Clusters:
    """Group the n rows of `vectors` into √n clusters, and find the `searched` nearest clusters of each.

    Parameters
    ----------
    vectors
        Shape (n, d), float32, rows of length 1; at least one.
    searched
        Number of clusters that a search compares, at least 1; if there are fewer, all.
    seed
        The same vectors and seed give the same clusters.

    Sources: Sivic & Zisserman, "Video Google", 2003, doi:10.1109/ICCV.2003.1238663 (inverted lists of clusters);
    Sculley, "Web-scale k-means clustering", 2010, doi:10.1145/1772690.1772862
    """
    count = max(round(len(vectors) ** 0.5), 1)
    centres = _centres(vectors, count, seed)
    labels = _nearest_centres(vectors, centres)
    order = np.argsort(labels, kind="stable")
    members = np.split(order, np.searchsorted(labels[order], np.arange(1, count)))
    closeness = centres @ centres.T
    np.fill_diagonal(closeness, np.inf)
    return Clusters(members, np.argsort(-closeness, axis=1, kind="stable")[:, :searched])


def _centres(vectors: FloatArray, count: int, seed: int) -> FloatArray:
    from sklearn.cluster import MiniBatchKMeans  # the import takes a second of CPU time; only a refresh needs it

    rng = np.random.default_rng(seed)
    sample = vectors[np.sort(rng.choice(len(vectors), min(SAMPLED * count, len(vectors)), replace=False))]
    found = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=ASSIGNED_TOGETHER).fit(sample)
    return np.asarray(found.cluster_centers_, dtype=np.float32)


def _nearest_centres(vectors: FloatArray, centres: FloatArray) -> NDArray[np.int64]:
    """Return the nearest centre of each vector by Euclidean distance, shape (n,).

    The vector's squared length is the same for all centres, so it is left out of the distance.
    """
    half_squares = np.einsum("ij,ij->i", centres, centres) / 2
    starts = range(0, len(vectors), ASSIGNED_TOGETHER)
    blocks = (vectors[start : start + ASSIGNED_TOGETHER] @ centres.T - half_squares for start in starts)
    return np.concatenate([np.argmax(block, axis=1) for block in blocks])
