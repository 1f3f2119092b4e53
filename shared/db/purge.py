"""Delete recorded events that should never have been recorded, and make what customers did anew without them.

The events of a customer and what was made of them change in one transaction: who reads sees the customer with all of
the events or without them. Refunds of an order whose event is deleted wait for the order again.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from shared.db import customer_embeddings, event_log, purged_refunds, response_pieces, unjoined_events
from shared.db.batches import among, batches
from shared.db.customers import resolve_customers
from shared.db.engine import Database
from shared.db.event_filter import EventFilter
from shared.db.event_log import CUSTOMER_CONSUMER, LoggedEvent
from shared.db.event_rows import unpack_id
from shared.db.log_pieces import OrderRefunds, events_of, numbered, require_whole_for
from shared.db.rebuild import lock_projection, rebuild_some
from shared.db.schema import event_log as log_table
from shared.db.schema import unjoined_events as unjoined_table
from shared.db.slices import in_slices
from shared.events.responses import may_concern_recommendations

READ_AT_ONCE = 2_000
EXAMPLES = 10


@dataclass
class KindCount:
    """How many events of a kind, and the ids of the first of them."""

    events: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, event_id: str) -> None:
        """Count one."""
        self.events += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(event_id)


@dataclass
class Found:
    """Events that meet a filter, counted by kind, and where they are.

    `customers` are keys of their owners; `ownerless` are numbers of the log, `unjoined` keys of events beside it.
    """

    kinds: dict[str, KindCount] = field(default_factory=dict)
    customers: set[int] = field(default_factory=set)
    ownerless: list[int] = field(default_factory=list)
    unjoined: list[int] = field(default_factory=list)
    responses: bool = False
    """Whether any of them may say something of recommendations."""

    def count(self, kind: str, event_id: str) -> None:
        """Count an event."""
        self.kinds.setdefault(kind, KindCount()).add(event_id)


class EventPurge:
    """One purge: `find`, then `delete`. Events that are recorded after its start stay."""

    def __init__(self, database: Database, wanted: EventFilter) -> None:
        self._database = database
        self._wanted = wanted
        self._refunds = OrderRefunds()
        self._end = 0
        self._customer_key: int | None = None
        self.found = Found()

    def find(self) -> Generator[float, None, None]:
        """Look for the events, and yield what share of the log was looked at."""
        with self._database.read() as connection:
            self._end = event_log.last_sequence(connection)
            name = self._wanted.customer_id
            self._customer_key = resolve_customers(connection, [name]).get(name) if name else None
        for position in self._find_logged():
            yield position / self._end
        self._find_unjoined()

    def require_possible(self) -> None:
        """Raise FailedPrecondition where older events are gone for their age: then the rest cannot be made anew."""
        with self._database.read() as connection:
            for some in batches(sorted(self.found.customers)):
                require_whole_for(connection, some)
            if self.found.responses:
                response_pieces.require_whole(connection)
            self._refunds.read_on(connection, event_log.cursor(connection, CUSTOMER_CONSUMER))

    def delete(self) -> Generator[float, None, None]:
        """Delete the events, and yield what share of the customers is done. What is counted is found again first.

        Raises FailedPrecondition where an event that stays cannot be applied: its customers keep their events.
        """
        keys = sorted(self.found.customers)
        for done in in_slices(keys, self._delete_some):
            yield done / len(keys)
        self._delete_others()

    def _delete_some(self, keys: Sequence[int]) -> None:
        with self._database.write() as connection:
            lock_projection(self._database, connection)
            self._delete_of(connection, keys)

    def _delete_of(self, connection: Connection, keys: Sequence[int]) -> None:
        require_whole_for(connection, keys)
        gone = [each for each in events_of(connection, keys, self._end) if self._is_wanted(each)]
        purged_refunds.wait_again(connection, gone, self._refunds)
        _delete_logged(connection, [each.sequence for each in gone])
        rebuild_some(connection, keys, self._refunds, with_set_aside=False)
        customer_embeddings.drop_embeddings(connection, keys)

    def _delete_others(self) -> None:
        for some in batches(self.found.ownerless):
            with self._database.write() as connection:
                gone = [each for each in numbered(connection, some) if self._is_wanted(each)]
                _delete_logged(connection, [each.sequence for each in gone])
        for some in batches(self.found.unjoined):
            with self._database.write() as connection:
                unjoined_events.drop(connection, some)

    def _find_logged(self) -> Iterator[int]:
        position, conditions = 0, self._wanted.of_rows(log_table)
        while position < self._end:
            with self._database.read() as connection:
                rows = event_log.read_where(connection, position, self._end, READ_AT_ONCE, conditions)
            for each in rows:
                if self._is_wanted(each):
                    self._note(each)
            position = rows[-1].sequence if len(rows) == READ_AT_ONCE else self._end
            yield position

    def _note(self, event: LoggedEvent) -> None:
        found = self.found
        found.count(event.kind, event.event_id.rpartition("\x1f")[2])
        if event.customer_key is None:
            found.ownerless.append(event.sequence)
        else:
            found.customers.add(event.customer_key)
        found.responses = found.responses or may_concern_recommendations(event.kind, event.payload)

    def _is_wanted(self, event: LoggedEvent) -> bool:
        theirs = self._customer_key is not None and event.customer_key == self._customer_key
        return self._wanted.matches(event.kind, event.occurred_at, event.payload, customers=theirs)

    def _find_unjoined(self) -> None:
        columns, last = unjoined_table.c, 0
        query = select(unjoined_table).where(*self._wanted.of_rows(unjoined_table)).order_by(columns.id)
        while True:
            with self._database.read() as connection:
                rows = connection.execute(query.where(columns.id > last).limit(READ_AT_ONCE)).all()
            for row in rows:
                if self._wanted.matches(row.kind, row.occurred_at, bytes(row.payload), customers=False):
                    self.found.count(row.kind, unpack_id(bytes(row.packed_id)))
                    self.found.unjoined.append(row.id)
            if len(rows) < READ_AT_ONCE:
                return
            last = rows[-1].id


def _delete_logged(connection: Connection, sequences: Iterable[int]) -> None:
    connection.execute(log_table.delete().where(among(connection, log_table.c.sequence, sequences)))
