"""From the shop's data to what algorithms learn from: keys become rows, names become codes."""

import time
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import Csr, FloatArray, Longs, Rows, as_csr
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.models.groups import GroupCodes, labels_of
from shared.db.product_embeddings import EmbeddingMatrix
from shared.db.relations import RelationTable
from shared.db.training_data import TrainingData


@dataclass(frozen=True, eq=False)
class TrainingDataset:
    """What is learned from, and whose rows its rows are."""

    interactions: Interactions
    product_keys: Longs
    groups: GroupCodes


def build_dataset(data: TrainingData) -> TrainingDataset:
    """Return the data as algorithms take it; ages are counted from the latest interaction that is not to come."""
    events, keys = data.interactions, data.product_keys
    customers, customer_rows = np.unique(events.customers, return_inverse=True)
    members = [labels_of(data.groups[key]) if key in data.groups else {} for key in customers.tolist()]
    groups = GroupCodes.of(members)
    clock = int(time.time())
    interactions = Interactions(
        customers=customer_rows.astype(np.int32),
        products=np.searchsorted(keys, events.products).astype(np.int32),
        kinds=events.kinds,
        quantities=events.quantities,
        times=events.times,
        baskets=np.unique(events.baskets, return_inverse=True)[1].astype(np.int32),
        n_customers=len(customers),
        n_products=len(keys),
        now=min(clock, int(events.times.max(initial=0)) or clock),
        groups=groups.rows(members),
        embeddings=_vectors(keys, data.embeddings),
        added=data.added,
        similar=_matrix(keys, data.similar),
        complementary=_matrix(keys, data.complementary),
        category=_codes(data.categories),
    )
    return TrainingDataset(interactions, keys, groups)


def _codes(names: list[str]) -> Rows:
    """Return a number for each name, from 0 in the order of first use, shape (n,); -1 for the empty name."""
    codes = {name: number for number, name in enumerate(dict.fromkeys(name for name in names if name))}
    return np.array([codes.get(name, -1) for name in names], dtype=np.int32)


def _vectors(keys: Longs, embeddings: EmbeddingMatrix) -> FloatArray:
    vectors = np.zeros((len(keys), embeddings.vectors.shape[1]), np.float32)
    vectors[np.searchsorted(keys, embeddings.keys)] = embeddings.vectors
    return vectors


def _matrix(keys: Longs, table: RelationTable) -> Csr:
    sources = np.repeat(np.searchsorted(keys, table.keys), np.diff(table.starts))
    known = np.isin(table.related, keys)
    at = (sources[known], np.searchsorted(keys, table.related[known]))
    return as_csr(sp.coo_array((table.scores[known], at), shape=(len(keys), len(keys))))
