"""Customer embeddings: one vector per customer, in the space of the product embeddings of one version."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from shared.db.batches import among, distinct_batches
from shared.db.customers import keep
from shared.db.engine import insert_into
from shared.db.schema import customer_embeddings

STORED = np.dtype("<f4")


@dataclass(frozen=True, eq=False)
class CustomerEmbedding:
    """A stored embedding: vector of shape (dimensions,), float32, in the space `space_version`.

    Events of the log up to the number `applied` are in it; 0 where that is not known.
    """

    vector: NDArray[np.float32]
    space_version: str
    updated_at: datetime
    applied: int = 0


def store_embeddings(
    connection: Connection, space_version: str, keys: Sequence[int], vectors: NDArray[np.float32], applied: int
) -> None:
    """Store one embedding for each customer; customers that were erased meanwhile are left out.

    One with later events, which another replica stored meanwhile, stays.

    Parameters
    ----------
    keys
        Customer keys, n of them, each once.
    vectors
        Shape (n, dimensions), float32.
    applied
        Number of the log up to which events are in them.
    """
    alive = keep(connection, keys)
    now = datetime.now(UTC)
    rows = [
        {
            "customer_id": key,
            "embedding": vector.tobytes(),
            "space_version": space_version,
            "last_updated": now,
            "applied": applied,
        }
        for key, vector in zip(keys, vectors.astype(STORED), strict=True)
        if key in alive
    ]
    if rows:
        insert = insert_into(connection, customer_embeddings)
        replaced = {name: insert.excluded[name] for name in ("embedding", "space_version", "last_updated", "applied")}
        is_older = func.coalesce(customer_embeddings.c.applied, 0) <= insert.excluded.applied
        connection.execute(
            insert.on_conflict_do_update(index_elements=["customer_id"], set_=replaced, where=is_older), rows
        )


def drop_embeddings(connection: Connection, keys: Collection[int]) -> None:
    """Delete the embeddings of customers; keys without one are fine."""
    for some in distinct_batches(keys):
        connection.execute(customer_embeddings.delete().where(customer_embeddings.c.customer_id.in_(some)))


def read_embedding(connection: Connection, key: int) -> CustomerEmbedding | None:
    """Return a customer's embedding; None without one."""
    row = connection.execute(select(customer_embeddings).where(customer_embeddings.c.customer_id == key)).one_or_none()
    if row is None:
        return None
    vector = np.frombuffer(row.embedding, dtype=STORED).astype(np.float32)
    return CustomerEmbedding(vector, row.space_version, row.last_updated, row.applied or 0)


def updated_since(connection: Connection, moment: datetime, keys: Collection[int]) -> set[int]:
    """Return those of the customers with these keys whose embedding was computed after `moment`."""
    columns = customer_embeddings.c
    wanted = among(connection, columns.customer_id, keys)
    query = select(columns.customer_id).where(wanted, columns.last_updated > moment)
    return set(connection.execute(query).scalars())
