"""Everything that models learn from, in one consistent view and as arrays."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from shared.consent import ALL_PERMITTED, Permissions
from shared.db import consents, customers, forgotten, models, product_embeddings, products, relations
from shared.db.customers import Groups
from shared.db.engine import Database
from shared.db.interactions import InteractionRows, training_interactions
from shared.db.product_embeddings import EmbeddingMatrix
from shared.db.relations import RelationTable
from shared.grouped_order import dense_numbers

SPACE = "embedding_space"


@dataclass(frozen=True, eq=False)
class TrainingData:
    """The shop at one moment. Customers and products are keys.

    Attributes
    ----------
    interactions : InteractionRows
        Of everybody, by customer and then oldest first.
    product_keys : ndarray of shape (n_products,), int64
        The whole catalogue, ascending.
    categories : list of str
        Category of each product; empty where unknown.
    added : ndarray of shape (n_products,), int64
        When each product entered the assortment, in Unix seconds.
    embeddings : EmbeddingMatrix
        In the active space; empty without one.
    similar, complementary : RelationTable
        Related products.
    groups : dict of int to Groups
        Groups of the customers that have interactions, by key.
    forgotten : int
        Number up to which `shared.db.forgotten` lists histories that are not in here.
    """

    interactions: InteractionRows
    product_keys: NDArray[np.int64]
    categories: list[str]
    added: NDArray[np.int64]
    embeddings: EmbeddingMatrix
    similar: RelationTable
    complementary: RelationTable
    groups: dict[int, Groups]
    forgotten: int = 0


def read_training_data(
    database: Database,
    default: Permissions = ALL_PERMITTED,
    read_interactions: Callable[[Connection], InteractionRows] = training_interactions,
) -> TrainingData:
    """Return everything that models learn from; `default` says whether they learn from who has said nothing.

    It is one view, but for events of a large SQLite file that were deleted or changed meanwhile (`number_rows`).

    Events of shoppers who do not agree to `train` are left out. `read_interactions` returns the interactions by
    customer and then oldest first, from the database or elsewhere (`shared/db/warehouse.py`).
    """
    with database.read() as connection:
        denied = consents.denied_keys(connection, "train", default)
        found = read_interactions(connection).without(denied)
        catalogue = sorted(products.catalogue_since(connection, 0))
        space = models.active_version(connection, SPACE)
        active = set(dense_numbers(found.customers)[0].tolist())
        return TrainingData(
            interactions=found,
            product_keys=np.array([entry.key for entry in catalogue], dtype=np.int64),
            categories=[entry.category for entry in catalogue],
            added=np.array([int(entry.available_at.timestamp()) for entry in catalogue], dtype=np.int64),
            embeddings=product_embeddings.all_embeddings(connection, space or ""),
            similar=relations.all_relations(connection, relations.SIMILAR),
            complementary=relations.all_relations(connection, relations.COMPLEMENTARY),
            forgotten=forgotten.newest(connection),
            groups={each.customer_key: each for each in customers.groups(connection) if each.customer_key in active},
        )
