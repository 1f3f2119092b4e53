"""Related products: for each product its substitutes and complements, strongest first. Written by the product agent."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BigInteger, Connection, select, type_coerce

from shared.consent import ALL_PERMITTED, Permissions
from shared.db import consents
from shared.db.batches import batches
from shared.db.driver import PreparedQuery
from shared.db.engine import insert_into
from shared.db.number_rows import number_rows
from shared.db.schema import counters, product_relations, purchase_items, purchases
from shared.db.types import to_micros

Relation = Literal["similar", "complementary"]
SIMILAR: Relation = "similar"
COMPLEMENTARY: Relation = "complementary"

STORED_KEYS = np.dtype("<i8")
STORED_SCORES = np.dtype("<f4")
LINE = np.dtype([("purchase", np.int64), ("product", np.int64)])


class Related(NamedTuple):
    """Products related to one: their keys (int64) and scores (float32, 0 to 1), strongest first."""

    keys: NDArray[np.int64]
    scores: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RelationTable:
    """One relation of the whole catalogue, as the rows of a sparse matrix.

    Attributes
    ----------
    keys : ndarray of shape (n,), int64
        Products that have a row, ascending.
    starts : ndarray of shape (n + 1,), int64
        Row i is `related[starts[i]:starts[i + 1]]`.
    related : ndarray of shape (m,), int64
        Keys of the related products, in each row strongest first.
    scores : ndarray of shape (m,), float32
        Their scores, 0 to 1.
    """

    keys: NDArray[np.int64]
    starts: NDArray[np.int64]
    related: NDArray[np.int64]
    scores: NDArray[np.float32]

    def of(self, key: int) -> Related | None:
        """Return what is related to a product; None for a product without a row."""
        row = int(np.searchsorted(self.keys, key))
        if row == len(self.keys) or self.keys[row] != key:
            return None
        row_slice = slice(self.starts[row], self.starts[row + 1])
        return Related(self.related[row_slice], self.scores[row_slice])


class BasketLines(NamedTuple):
    """Lines of orders as two arrays of one length: the order and the product, both int64 keys."""

    purchases: NDArray[np.int64]
    products: NDArray[np.int64]


def store_relations(connection: Connection, relation: Relation, rows: Iterable[tuple[int, Related]]) -> None:
    """Store what is related to each product, replacing what there was; an empty row says that nothing is."""
    now = datetime.now(UTC)
    values = [
        {
            "product_id": int(key),
            "relation": relation,
            "related_ids": related.keys.astype(STORED_KEYS).tobytes(),
            "scores": related.scores.astype(STORED_SCORES).tobytes(),
            "last_updated": now,
        }
        for key, related in rows
    ]
    if not values:
        return
    statement = insert_into(connection, product_relations)
    replaced = {name: statement.excluded[name] for name in ("related_ids", "scores", "last_updated")}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["product_id", "relation"], set_=replaced), values
    )


def read_relation(connection: Connection, relation: Relation, key: int) -> Related | None:
    """Return what is related to a product; None if that was never computed."""
    columns = product_relations.c
    row = connection.execute(
        select(columns.related_ids, columns.scores).where(columns.product_id == key, columns.relation == relation)
    ).one_or_none()
    return None if row is None else _related(row)


def read_relations(connection: Connection, relation: Relation, keys: Iterable[int]) -> dict[int, Related]:
    """Return what is related to some products, by key; those without a row are left out."""
    columns = product_relations.c
    found: dict[int, Related] = {}
    for some in batches(keys):
        rows = connection.execute(
            select(columns.product_id, columns.related_ids, columns.scores).where(
                columns.product_id.in_(some), columns.relation == relation
            )
        )
        found.update((row.product_id, _related(row)) for row in rows)
    return found


def all_relations(connection: Connection, relation: Relation) -> RelationTable:
    """Return one relation of the whole catalogue."""
    columns = product_relations.c
    rows = connection.execute(
        select(columns.product_id, columns.related_ids, columns.scores)
        .where(columns.relation == relation)
        .order_by(columns.product_id)
    ).all()
    lengths = np.fromiter((len(row.scores) // STORED_SCORES.itemsize for row in rows), dtype=np.int64, count=len(rows))
    return RelationTable(
        np.fromiter((row.product_id for row in rows), dtype=np.int64, count=len(rows)),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.frombuffer(b"".join(row.related_ids for row in rows), dtype=STORED_KEYS).astype(np.int64),
        np.frombuffer(b"".join(row.scores for row in rows), dtype=STORED_SCORES).astype(np.float32),
    )


def computed_through(connection: Connection, relation: Relation) -> int:
    """Return the change of the catalogue (`shared.db.products`) that a relation was last computed on; 0 for none."""
    through = select(counters.c.value).where(counters.c.name == _mark(relation))
    return int(connection.execute(through).scalar() or 0)


def mark_computed(connection: Connection, relation: Relation, change_sequence: int) -> None:
    """Say that the stored relation is computed on the catalogue as of `change_sequence`."""
    statement = insert_into(connection, counters).values(name=_mark(relation), value=change_sequence)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": change_sequence}))


def basket_lines(
    connection: Connection, since: datetime | None = None, default: Permissions = ALL_PERMITTED
) -> BasketLines:
    """Return the lines of all orders, or of those from `since` on, without those that were refunded entirely.

    Orders of customers who do not agree to `train` are left out; `default` says it of who has said nothing.
    """
    columns = purchase_items.c
    lines = (
        select(columns.purchase_id, columns.product_id)
        .join(purchases, purchases.c.purchase_id == columns.purchase_id)
        .where(columns.quantity > columns.refunded_quantity, consents.trains(purchases.c.customer_id, default))
    )
    if since is not None:
        lines = lines.where(type_coerce(purchases.c.timestamp, BigInteger) >= to_micros(since))
    pieces = list(number_rows(connection, PreparedQuery(lines), LINE))
    rows = np.concatenate([np.empty(0, LINE), *pieces])
    return BasketLines(rows["purchase"].copy(), rows["product"].copy())


def _mark(relation: Relation) -> str:
    return f"relations.{relation}"


def _related(row: Any) -> Related:
    return Related(
        np.frombuffer(row.related_ids, dtype=STORED_KEYS).astype(np.int64),
        np.frombuffer(row.scores, dtype=STORED_SCORES).astype(np.float32),
    )
