"""What the imports of all kinds have in common: rows are prepared outside, and written inside, a short transaction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from cli.importing.batch import RowBatch
from cli.importing.conversion import Converter
from cli.importing.convert import Reject
from shared.db.engine import Connection

C = TypeVar("C")
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


class Sink(Protocol[C, T]):
    """The way of one kind of rows into the database."""

    @property
    def make_converter(self) -> Callable[[], Converter[C]]:
        """Makes what converts the rows. It can be pickled, for a process that does nothing else."""
        ...

    def prepare(self, batch: RowBatch, converted: C) -> Prepared[T]:
        """Check converted rows against what there is, and look up what they need; writes nothing."""
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
