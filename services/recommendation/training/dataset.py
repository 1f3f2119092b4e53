"""From the shop's data to what algorithms learn from: keys become rows, names become codes."""

import time
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Csr, FloatArray, Longs, Rows, as_csr
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.models.groups import GroupCodes, labels_of
from services.recommendation.models.key_rows import KeyRows
from shared.db.product_embeddings import EmbeddingMatrix
from shared.db.relations import RelationTable
from shared.db.training_data import TrainingData
from shared.grouped_order import dense_numbers

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, eq=False)
class TrainingDataset:
    """What is learned from, and whose rows its rows are.

    `forgotten` is the number up to which `shared.db.forgotten` lists histories that are not in it.
    """

    interactions: Interactions
    product_keys: Longs
    groups: GroupCodes
    customer_keys: Longs
    forgotten: int


def build_dataset(data: TrainingData, *, by_popularity: bool = False) -> TrainingDataset:
    """Return the data as algorithms take it; ages are counted from the latest interaction that is not to come.

    Rows stand in the order of the keys; with `by_popularity` the products with most events come first. What answers
    read most then lies together in memory, but each event may change the rows.
    """
    events = data.interactions
    met, met_products = dense_numbers(events.products)
    rows = _rows(data.product_keys, met, met_products if by_popularity else None)
    customers, customer_rows = dense_numbers(events.customers)
    members = [labels_of(data.groups[key]) if key in data.groups else {} for key in customers.tolist()]
    groups = GroupCodes.of(members)
    clock = int(time.time())
    interactions = Interactions(
        customers=customer_rows,
        products=rows.find(met)[met_products],
        kinds=events.kinds,
        quantities=events.quantities,
        times=events.times,
        baskets=dense_numbers(events.baskets)[1],
        n_customers=len(customers),
        n_products=len(rows.rows),
        now=min(clock, int(events.times.max(initial=0)) or clock),
        groups=groups.rows(members),
        embeddings=_vectors(rows, data.embeddings),
        added=_in_rows(rows, data.added),
        similar=_matrix(rows, data.similar),
        complementary=_matrix(rows, data.complementary),
        category=_in_rows(rows, _codes(data.categories)),
    )
    return TrainingDataset(interactions, _in_rows(rows, data.product_keys), groups, customers, data.forgotten)


def _rows(keys: Longs, met: Longs, events: Rows | None) -> KeyRows:
    """Return the rows of the products by key; by popularity if the place among `met` of each event is given."""
    if events is not None:
        counts = np.bincount(np.searchsorted(keys, met)[events], minlength=len(keys))
        keys = keys[np.argsort(-counts, kind="stable")]
    return KeyRows.of(keys)


def _in_rows(rows: KeyRows, values: NDArray[T]) -> NDArray[T]:
    """Return values that are given by ascending key in the order of the rows."""
    found = np.empty_like(values)
    found[rows.rows] = values
    return found


def _codes(names: list[str]) -> Rows:
    """Return a number for each name, from 0 in the order of first use, shape (n,); -1 for the empty name."""
    codes = {name: number for number, name in enumerate(dict.fromkeys(name for name in names if name))}
    return np.array([codes.get(name, -1) for name in names], dtype=np.int32)


def _vectors(rows: KeyRows, embeddings: EmbeddingMatrix) -> FloatArray:
    vectors = np.zeros((len(rows.rows), embeddings.vectors.shape[1]), np.float32)
    vectors[rows.find(embeddings.keys)] = embeddings.vectors
    return vectors


def _matrix(rows: KeyRows, table: RelationTable) -> Csr:
    n = len(rows.rows)
    sources = np.repeat(rows.find(table.keys), np.diff(table.starts))
    related = rows.find(table.related)
    known = related >= 0
    return as_csr(sp.coo_array((table.scores[known], (sources[known], related[known])), shape=(n, n)))
