"""Customer embeddings are stored, replaced and read back exactly."""

import numpy as np

from shared.db import customer_embeddings
from shared.db.engine import Database
from tests.support.events import add_customers, rows


def test_an_embedding_is_read_back_as_it_was_stored(database: Database) -> None:
    keys = add_customers(database, "anna", "ben")
    vectors = np.array([[0.1, -2.5], [3.0, 1e-8]], dtype=np.float32)
    with database.write() as connection:
        customer_embeddings.store_embeddings(connection, "v1", list(keys.values()), vectors, 5)
        customer_embeddings.store_embeddings(connection, "v2", [keys["ben"]], vectors[:1], 5)
    with database.read() as connection:
        anna = customer_embeddings.read_embedding(connection, keys["anna"])
        ben = customer_embeddings.read_embedding(connection, keys["ben"])
        assert customer_embeddings.read_embedding(connection, 9_999) is None
    assert anna is not None
    assert ben is not None
    assert np.array_equal(anna.vector, vectors[0])
    assert (anna.vector.dtype, anna.space_version) == (np.float32, "v1")
    assert np.array_equal(ben.vector, vectors[0])
    assert ben.space_version == "v2"


def test_a_customer_erased_meanwhile_gets_none(database: Database) -> None:
    keys = add_customers(database, "anna")
    with database.write() as connection:
        customer_embeddings.store_embeddings(connection, "v1", [9_999], np.ones((1, 2), dtype=np.float32), 5)
        customer_embeddings.store_embeddings(connection, "v1", [keys["anna"]], np.ones((1, 2), dtype=np.float32), 5)
        customer_embeddings.drop_embeddings(connection, [keys["anna"], 9_999])
    assert rows(database, "customer_embeddings") == []


def test_an_embedding_with_later_events_stays(database: Database) -> None:
    key = add_customers(database, "anna")["anna"]
    newer, older = np.array([[1.0]], dtype=np.float32), np.array([[0.0]], dtype=np.float32)
    with database.write() as connection:
        customer_embeddings.store_embeddings(connection, "v1", [key], newer, 7)
        customer_embeddings.store_embeddings(connection, "v1", [key], older, 6)
    with database.read() as connection:
        found = customer_embeddings.read_embedding(connection, key)
    assert found is not None
    assert (found.vector.tolist(), found.applied) == ([1.0], 7)
