"""Apply the event log: project events, and renew the embeddings of the customers they concern."""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from time import monotonic, sleep

from prometheus_client import Counter

from services.customer.embedder import CUSTOMERS_AT_ONCE, update_embeddings
from shared.db import event_log, projection
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.db.log_consumer import Applied, LogConsumer
from shared.db.orders import RememberedCatalogue

CONSUMER = "customer"
MOST_PRODUCTS = 50_000
"""Products that are remembered between batches: some 10 MB."""
REST, LONGEST_REST_SECONDS = 2.0, 1.0
"""How long a renewal leaves the processor to those who record, in times of what it took."""
MOST_WAIT_SECONDS = 0.5
"""How long a reader waits for events of a customer that are recorded and not projected."""
SKIPPED = Counter(
    "quintet_projection_skipped_total",
    "Parts of events that had no effect on the customer's data, by reason.",
    ["reason"],
)


class Applier:
    """Follows the event log. Safe to call from several threads.

    Embeddings are renewed behind the projection, many together and in transactions of their own (`apply_batch`):
    answers do not need them, and one by one they would cost more than all else that an event causes. Who reads an
    embedding renews it first (`renew`). If the process dies in between, the customer's next event or the next refresh
    renews it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._consumer = LogConsumer(database, CONSUMER, self._project)
        self._catalogue = RememberedCatalogue(MOST_PRODUCTS)
        self._touched: set[int] = set()
        self._renewing: set[int] = set()
        self._seen_end = 0
        self._projected = threading.local()
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def apply(self, up_to: int = 0) -> Applied:
        """Apply the log at least up to the number `up_to`, 0 means its end; embeddings follow."""
        with self._noting():
            return self._consumer.apply(up_to)

    def apply_batch(self) -> bool:
        """Apply at most one batch, or renew some embeddings at the end of the log; return whether there is more."""
        with self._noting():
            more = self._consumer.apply_batch()
        return more or self._renew_some()

    def catch_up(self, customer_key: int) -> None:
        """Apply the log as far as it has events of a customer, but begin no batch after `MOST_WAIT_SECONDS`."""
        with self._database.read() as connection:
            last = event_log.last_sequence_of(connection, customer_key)
            applied = event_log.cursor(connection, CONSUMER)
        if applied < last:
            with self._noting():
                self._consumer.apply_now(last, MOST_WAIT_SECONDS)

    def renew(self, customer_key: int) -> None:
        """Renew the embedding of a customer now, if it waits for that."""
        with self._guard:
            waits = customer_key in self._touched or customer_key in self._renewing
        if waits:
            self._renew({customer_key})

    def _project(self, connection: Connection, events: Sequence[LoggedEvent]) -> None:
        projected = projection.project(connection, projection.decode(events), self._catalogue.read)
        self._projected.customers |= projected.touched
        for reason, count in projected.skipped.items():
            SKIPPED.labels(reason).inc(count)

    @contextmanager
    def _noting(self) -> Iterator[None]:
        """Note whose events this thread projects once that is committed: before, a renewal would be too soon."""
        self._projected.customers = set()
        try:
            yield
        finally:
            self._note(self._projected.customers)

    def _renew_some(self) -> bool:
        """Renew some of the embeddings that wait and return whether others do; rest while events are recorded."""
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
        # Whoever waits here finds the embeddings renewed that another thread had begun to renew.
        with self._turn:
            with self._guard:
                touched = customer_keys & self._touched
                self._touched -= touched
                self._renewing = touched
            try:
                update_embeddings(self._database, touched)
            except Exception:  # whatever it was, these customers still wait for their embeddings
                self._note(touched)
                raise
            finally:
                with self._guard:
                    self._renewing = set()

    def _note(self, customer_keys: Collection[int]) -> None:
        with self._guard:
            self._touched.update(customer_keys)
