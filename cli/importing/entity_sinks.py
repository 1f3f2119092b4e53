"""Customers and products into the database: whole rows, each id once a batch, the last row of an id counts."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cli.importing.batch import RowBatch
from cli.importing.convert import Options, rejected
from cli.importing.customers import CustomerConverter
from cli.importing.products import ProductConverter
from cli.importing.sinks import Prepared, Written
from shared.column_mapping import ColumnMapping
from shared.db import customer_updates, customers, products
from shared.db.customer_updates import NewCustomer
from shared.db.customers import Customer
from shared.db.engine import Connection
from shared.db.product_facts import NewProduct
from shared.db.product_patch import ProductPatch
from shared.errors import InvalidArgument
from shared.ids import digests

Existing = Literal["update", "replace", "keep"]


class Entity(Protocol):
    """Something with an id of the platform's."""

    @property
    def external_id(self) -> str: ...


E = TypeVar("E", bound=Entity)
E_co = TypeVar("E_co", bound=Entity, covariant=True)
Row = tuple[int, E]
"""Place in the batch and what it says."""


class RowConverter(Protocol[E_co]):
    """Turns a row into a customer or a product."""

    def convert(self, columns: Mapping[str, Sequence[Any]], index: int) -> E_co:
        """Return what the row at `index` says. Raises InvalidArgument or UnicodeError."""
        ...


class EntityConverter(Generic[E]):
    """Converts rows one by one.

    Parameters
    ----------
    converter : type
        What converts a row, made with the options.
    options : Options
        How values are understood.
    """

    def __init__(self, converter: Callable[[Options], RowConverter[E]], options: Options) -> None:
        self._convert = converter(options).convert

    def batches(self, batches: Iterable[RowBatch], mapping: ColumnMapping) -> Iterator[RowBatch]:
        """Return the batches as they are."""
        yield from batches

    def convert(self, batch: RowBatch, columns: Mapping[str, Sequence[Any]]) -> Prepared[Row[E]]:
        """Convert rows."""
        prepared: Prepared[Row[E]] = Prepared(batch, [])
        for index in range(len(batch)):
            try:
                if index in batch.faults:
                    raise InvalidArgument(f"the row {batch.faults[index].reason}")
                prepared.ready.append((index, self._convert(columns, index)))
            except InvalidArgument as error:
                prepared.rejects.append(rejected(batch, index, error.message))
            except UnicodeError:
                prepared.rejects.append(rejected(batch, index, "the row is not UTF-8 text"))
        return prepared


class _EntitySink(ABC, Generic[E]):
    def __init__(self, converter: Callable[[Options], RowConverter[E]], options: Options, existing: Existing) -> None:
        self.make_converter = partial(EntityConverter, converter, options)
        self._existing = existing

    def prepare(self, batch: RowBatch, converted: Prepared[Row[E]]) -> Prepared[Row[E]]:
        """Return the rows as they were converted."""
        return converted

    def write(self, connection: Connection, prepared: Prepared[Row[E]]) -> Written:
        """Add what is new and, unless it is to be kept, update what is known."""
        distinct: dict[str, Row[E]] = {}
        for index, each in prepared.ready:
            if self._existing != "keep" or each.external_id not in distinct:
                distinct[each.external_id] = (index, each)
        rows = list(distinct.values())
        if self._existing == "keep":
            known = self._known(connection, list(distinct))
            rows = [row for row in rows if row[1].external_id not in known]
        written = self._store(connection, prepared.batch, rows)
        written.duplicates = len(prepared.ready) - written.imported - len(written.rejects)
        return written

    def forget(self) -> None:
        """Nothing is remembered."""

    def settle(self) -> None:
        """Nothing is derived."""

    @abstractmethod
    def _known(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, int]:
        """Return the keys of those of the ids that are in the database."""

    @abstractmethod
    def _store(self, connection: Connection, batch: RowBatch, rows: list[Row[E]]) -> Written:
        """Write rows of distinct ids, and say what became of them."""


class CustomerSink(_EntitySink[NewCustomer]):
    """Customers: what a row leaves empty stays as it is."""

    def __init__(self, options: Options, existing: Existing) -> None:
        super().__init__(CustomerConverter, options, existing)

    def _known(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, int]:
        return customers.resolve_customers(connection, ids)

    def _store(self, connection: Connection, batch: RowBatch, rows: list[Row[NewCustomer]]) -> Written:
        stored = customers.read_many(connection, [each.external_id for _, each in rows])
        rows = [row for row in rows if not _says_nothing_new(row[1], stored.get(row[1].external_id))]
        customer_updates.upsert(connection, [each for _, each in rows])
        return Written(imported=len(rows))


class ProductSink(_EntitySink[NewProduct]):
    """Products: what a row leaves empty stays as it is, unless the whole product is to be replaced.

    `named` are the digests of all ids that rows named.
    """

    def __init__(self, options: Options, existing: Existing) -> None:
        super().__init__(ProductConverter, options, existing)
        self.named: list[NDArray[np.uint64]] = []

    def write(self, connection: Connection, prepared: Prepared[Row[NewProduct]]) -> Written:
        """Write the rows, see above."""
        self.named.append(digests(each.external_id for _, each in prepared.ready))
        return super().write(connection, prepared)

    def _known(self, connection: Connection, ids: Sequence[str]) -> Mapping[str, int]:
        return products.product_keys(connection, ids)

    def _store(self, connection: Connection, batch: RowBatch, rows: list[Row[NewProduct]]) -> Written:
        if not rows:
            return Written()
        patch = ProductPatch.replacing if self._existing == "replace" else ProductPatch.giving
        return Written(imported=len(products.patch_products(connection, [patch(each) for _, each in rows]).changed))


def _says_nothing_new(given: NewCustomer, stored: Customer | None) -> bool:
    if stored is None:
        return False
    known = stored.demographics
    attributes = known.get("attributes", {})
    return (
        given.name in ("", stored.name)
        and given.email in ("", stored.email)
        and given.registered_at in (None, stored.registered_at)
        and given.consent.said.items() <= stored.consent.said.items()
        and all(known.get(name) == value for name, value in given.demographics.items() if name != "attributes")
        and all(attributes.get(name) == value for name, value in given.demographics.get("attributes", {}).items())
    )
