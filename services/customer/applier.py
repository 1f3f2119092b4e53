"""Applies the event log: projects events to tables and updates the embeddings of the customers concerned."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from time import monotonic, sleep

from services.customer.embedder import CUSTOMERS_AT_ONCE, update_embeddings
from shared.db import event_log, projection
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.db.log_consumer import Applied, LogConsumer, Replayed
from shared.db.orders import RememberedCatalogue
from shared.db.partitions import position_of
from shared.telemetry import EVENTS_SKIPPED

MOST_PRODUCTS = 50_000
"""Number of products that are cached between batches, about 10 MB."""
REST, LONGEST_REST_SECONDS = 2.0, 1.0
"""Pause after an update of embeddings while events are recorded: a multiple of its duration, and the upper bound.

The pause leaves the processor to the recording of events.
"""
MOST_WAIT_SECONDS = 0.5
"""How long a reader waits until a customer's recorded events are projected."""


class Applier:
    """Applies the event log to the customer tables. Safe to call from several threads.

    Embeddings are updated after the projection, many at a time and in separate transactions (`apply_batch`). Answers
    do not wait for them, and updating them one by one would cost more than all other work for an event. A reader of an
    embedding updates it first (`renew`). If the process dies between projection and update, the customer's next event
    or the next refresh updates the embedding.
    """

    def __init__(self, database: Database, partitions: int = 1) -> None:
        self._database = database
        self._consumer = LogConsumer(database, event_log.CUSTOMER_CONSUMER, self._project, partitions=partitions)
        self._catalogue = RememberedCatalogue(MOST_PRODUCTS)
        self._touched: set[int] = set()
        self._renewing: set[int] = set()
        self._seen_end = 0
        self._projected = threading.local()
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def apply(self, up_to: int = 0, until: float | None = None) -> Applied:
        """Apply the log at least up to the sequence number `up_to`; 0 means its end. Embeddings are updated later.

        No batch is begun after `until`, a moment on the monotonic clock.
        """
        with self._noting():
            return self._consumer.apply(up_to, until=until)

    def replay(self, sequences: Sequence[int]) -> Replayed:
        """Apply those of the events again that were set aside."""
        with self._noting():
            return self._consumer.replay(sequences)

    def apply_batch(self) -> bool:
        """Apply one batch, or update some embeddings if the log is at its end; return whether more work is left."""
        with self._noting():
            more = self._consumer.apply_batch()
        return more or self._renew_some()

    def catch_up(self, customer_key: int) -> None:
        """Apply the log up to the last event of a customer, but start no batch after `MOST_WAIT_SECONDS`."""
        with self._database.read() as connection:
            last = event_log.last_sequence_of(connection, customer_key)
            applied = position_of(connection, event_log.CUSTOMER_CONSUMER, customer_key)
        if applied < last:
            with self._noting():
                self._consumer.apply_now(last, MOST_WAIT_SECONDS)

    def renew(self, customer_key: int) -> None:
        """Update the embedding of a customer now, if an update is pending."""
        with self._guard:
            waits = customer_key in self._touched or customer_key in self._renewing
        if waits:
            self._renew({customer_key})

    def _project(self, connection: Connection, events: Sequence[LoggedEvent]) -> None:
        projected = projection.project(connection, projection.decode(events), self._catalogue.read)
        self._projected.customers |= projected.touched
        for reason, count in projected.skipped.items():
            EVENTS_SKIPPED.labels(reason).inc(count)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Record, after the commit, the customers whose events this thread projected.

        Before the commit an update of their embeddings would not see the events.
        """
        self._projected.customers = set()
        try:
            yield
        finally:
            self._note(self._projected.customers)

    def _renew_some(self) -> bool:
        """Update some of the pending embeddings and return whether others are pending; pause if events are recorded."""
        with self._guard:
            some = set(islice(self._touched, CUSTOMERS_AT_ONCE))
        recorded, self._seen_end = self._consumer.end > self._seen_end, self._consumer.end
        began = monotonic()
        self._renew(some)
        if recorded and len(some) == CUSTOMERS_AT_ONCE:
            sleep(min(REST * (monotonic() - began), LONGEST_REST_SECONDS))
        with self._guard:
            return bool(self._touched)

    def _renew(self, customer_keys: set[int]) -> None:
        # After this lock is taken, the embeddings that another thread was updating are up to date.
        with self._turn:
            with self._guard:
                touched = customer_keys & self._touched
                self._touched -= touched
                self._renewing = touched
            try:
                update_embeddings(self._database, touched)
            except Exception:  # whatever the error was, the updates of these customers are still pending
                self._note(touched)
                raise
            finally:
                with self._guard:
                    self._renewing = set()

    def _note(self, customer_keys: Collection[int]) -> None:
        with self._guard:
            self._touched.update(customer_keys)
