"""Interactions from and to a warehouse's files: keys here, the platform's ids there."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Connection

from shared.consent import ALL_PERMITTED, Permissions
from shared.db import consents, customers, interactions, products
from shared.db.interactions import INTERACTION_TYPES, InteractionRows
from shared.db.known_keys import KnownKeys
from shared.errors import InvalidArgument
from shared.interaction_files import KINDS, SCHEMA, InteractionFolder

MICROSECONDS = 1_000_000


def read_folder(connection: Connection, folder: str) -> InteractionRows:
    """Return the interactions of a folder of Parquet files, by customer and then oldest first.

    Rows of shoppers and products that the database does not know are left out: those who were erased among them. What
    is in memory is the arrays, twice while they are put in order, and one batch.

    Raises InvalidArgument naming the folder and what is wrong with it.
    """
    files = InteractionFolder(folder)
    columns = [np.empty(files.rows, dtype) for dtype in INTERACTION_TYPES]
    reader = _Reader(connection, folder)
    filled = 0
    for batch in files.batches():
        found = reader.columns(batch)
        end = filled + len(found[0])
        for column, values in zip(columns, found, strict=True):
            column[filled:end] = values
        filled = end
    return interactions.in_order([column[:filled] for column in columns])


def folder_batches(connection: Connection, default: Permissions = ALL_PERMITTED) -> Iterator[pa.RecordBatch]:
    """Yield the interactions of the database as files have them, of all who agree to `train`; in no order."""
    denied = consents.denied_keys(connection, "train", default)
    for rows in interactions.interaction_batches(connection):
        kept = rows.without(denied)
        shoppers = customers.shopper_ids(connection, np.unique(kept.customers).tolist())
        names = products.product_ids(connection, np.unique(kept.products).tolist())
        who = [shoppers.get(key, (None, None)) for key in kept.customers.tolist()]
        values: list[Any] = [
            [customer for customer, _ in who],
            [visitor for _, visitor in who],
            [names[key] for key in kept.products.tolist()],
            [KINDS[kind] for kind in kept.kinds.tolist()],
            kept.quantities,
            kept.amounts,
            kept.times * MICROSECONDS,
            kept.sessions,
            kept.purchases,
            kept.durations,
        ]
        arrays = [pa.array(value, field.type) for value, field in zip(values, SCHEMA, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


class _Reader:
    """Turns batches of a folder into columns of `InteractionRows`."""

    def __init__(self, connection: Connection, folder: str) -> None:
        self._connection = connection
        self._folder = folder
        self._customers = KnownKeys(customers.resolve_customers)
        self._visitors = KnownKeys(customers.known_visitors)
        self._products = KnownKeys(products.product_keys)

    def columns(self, batch: pa.RecordBatch) -> list[NDArray[Any]]:
        """Return the columns of a batch without the rows whose shopper or product is not known."""
        customer = self._keys(self._customers, batch, "customer_id")
        who = np.where(customer > 0, customer, self._keys(self._visitors, batch, "visitor_id"))
        what = self._keys(self._products, batch, "product_id")
        columns = [
            who,
            what,
            self._kinds(batch),
            self._numbers(batch, "quantity", 1),
            self._numbers(batch, "amount", 0),
            batch.column("time").cast(pa.int64()).to_numpy(zero_copy_only=False) // MICROSECONDS,
            self._numbers(batch, "session", 0),
            self._numbers(batch, "order", 0),
            self._numbers(batch, "duration_seconds", 0),
        ]
        known = (who > 0) & (what > 0)
        return [column[known] for column in columns]

    def _keys(self, known: KnownKeys, batch: pa.RecordBatch, name: str) -> NDArray[np.int64]:
        """Return the key of each row's id; 0 for an unknown one."""
        coded = batch.column(name).dictionary_encode()
        ids = coded.dictionary.to_pylist()
        keys = known.of(self._connection, ids)
        by_code = np.array([keys.get(each, 0) for each in ids] + [0], np.int64)
        found: NDArray[np.int64] = by_code[pc.fill_null(coded.indices, len(ids)).to_numpy(zero_copy_only=False)]
        return found

    def _kinds(self, batch: pa.RecordBatch) -> NDArray[np.int8]:
        kinds = pc.index_in(batch.column("kind"), value_set=pa.array(KINDS))
        if kinds.null_count:
            raise self._wrong("kind", f"must be one of {', '.join(KINDS)}")
        found: NDArray[np.int8] = kinds.to_numpy(zero_copy_only=False).astype(np.int8)
        return found

    def _numbers(self, batch: pa.RecordBatch, name: str, default: int) -> NDArray[Any]:
        values: NDArray[Any] = pc.fill_null(batch.column(name), default).to_numpy(zero_copy_only=False)
        if not (np.isfinite(values) & (values >= 0)).all():
            raise self._wrong(name, "must be finite and not negative")
        return values

    def _wrong(self, column: str, problem: str) -> InvalidArgument:
        return InvalidArgument.of("training_source", self._folder, f"column {column} {problem}")
