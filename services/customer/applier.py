"""Apply the event log: project events, and renew the embeddings of the customers they concern."""

import threading
from collections.abc import Collection, Sequence

from prometheus_client import Counter

from services.customer.embedder import update_embeddings
from shared.db import projection
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.db.log_consumer import Applied, LogConsumer

CONSUMER = "customer"
SKIPPED = Counter(
    "quintet_projection_skipped_total",
    "Parts of events that had no effect on the customer's data, by reason.",
    ["reason"],
)


class Applier:
    """Follows the event log. Safe to call from several threads.

    Embeddings are renewed after the projection's transaction, in one of their own: they can be computed anew at any
    time. If the process dies in between, the customer's next event or the next refresh renews them.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._consumer = LogConsumer(database, CONSUMER, self._project)
        self._touched: set[int] = set()
        self._guard = threading.Lock()
        self._turn = threading.Lock()

    def apply(self, up_to: int = 0) -> Applied:
        """Apply the log at least up to the number `up_to`, 0 means its end; embeddings are renewed on return."""
        applied = self._consumer.apply(up_to)
        self._renew()
        return applied

    def apply_batch(self) -> bool:
        """Apply at most one batch and return whether there is more; embeddings are renewed at the end of the log."""
        more = self._consumer.apply_batch()
        if not more:
            self._renew()
        return more

    def _project(self, connection: Connection, events: Sequence[LoggedEvent]) -> None:
        projected = projection.project(connection, projection.decode(events))
        self._note(projected.touched)
        for reason, count in projected.skipped.items():
            SKIPPED.labels(reason).inc(count)

    def _renew(self) -> None:
        # Whoever waits here finds the embeddings renewed that another thread had begun to renew.
        with self._turn:
            with self._guard:
                touched, self._touched = self._touched, set()
            try:
                update_embeddings(self._database, touched)
            except Exception:  # whatever it was, these customers still wait for their embeddings
                self._note(touched)
                raise

    def _note(self, customer_keys: Collection[int]) -> None:
        with self._guard:
            self._touched.update(customer_keys)
