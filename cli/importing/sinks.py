"""What the imports of all kinds have in common: rows are prepared outside, and written inside, a short transaction."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from cli.importing.batch import RowBatch
from cli.importing.convert import Reject
from shared.column_mapping import ColumnMapping
from shared.db.engine import Connection

T = TypeVar("T")


@dataclass
class Prepared(Generic[T]):
    """Rows ready to be written and rows that will not be."""

    batch: RowBatch
    ready: list[T]
    rejects: list[Reject] = field(default_factory=list)


@dataclass
class Written:
    """What became of rows: how many are new or changed something, how many were known, which were refused."""

    imported: int = 0
    duplicates: int = 0
    rejects: list[Reject] = field(default_factory=list)


class Sink(Protocol[T]):
    """The way of one kind of rows into the database."""

    def batches(self, batches: Iterable[RowBatch], mapping: ColumnMapping) -> Iterator[RowBatch]:
        """Cut the rows into what is written at once."""
        ...

    def prepare(self, batch: RowBatch, columns: Mapping[str, Sequence[Any]]) -> Prepared[T]:
        """Convert rows, given also as values by our column names, and check them; writes nothing."""
        ...

    def write(self, connection: Connection, prepared: Prepared[T]) -> Written:
        """Write what was prepared. Raises StaleReference when something it refers to has gone meanwhile."""
        ...

    def forget(self) -> None:
        """Look up anew what exists."""
        ...

    def settle(self) -> None:
        """Apply what was committed to the tables that are derived from it."""
        ...
