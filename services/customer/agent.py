"""The customer agent: stores customers and computes their profile, preferences, segments and changes of behaviour."""

import json
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from services.customer.applier import Applier
from services.customer.change import DEFAULT_SETTINGS, ChangeReport, detect_changes
from services.customer.customer_history import CustomerHistory, read_customer_history
from services.customer.embedder import active_space, update_embeddings
from services.customer.preferences import Preferences, preferences
from services.customer.segmentation import SegmentModel, SegmentModelManager, aligned
from shared.config import Settings
from shared.db import customer_embeddings, customers, erasure, profiles, request_ids, segments
from shared.db.customer_embeddings import CustomerEmbedding
from shared.db.customers import Customer, NewCustomer
from shared.db.engine import Connection, Database
from shared.db.erasure import Receipt
from shared.db.log_consumer import Applied
from shared.db.profiles import Shown
from shared.db.segments import Membership
from shared.jobs import Progress, SingleJob
from shared.request_ids import RequestKey

REFRESH_JOB = "services.customer.refresh"


@dataclass(frozen=True, eq=False)
class Affinity:
    """A customer's preferences.

    Product rows in `preferences` index `products`, the platform's ids. Prices are in `currency`.
    """

    preferences: Preferences
    products: list[str]
    currency: str


@dataclass(frozen=True, eq=False)
class Profile:
    """All that the platform knows about a customer."""

    customer: Customer
    views: list[Shown]
    purchases: list[Shown]
    cart: list[Shown]
    affinity: Affinity
    segments: list[Membership]
    changes: ChangeReport
    embedding: CustomerEmbedding | None
    sessions: int


class CustomerAgent:
    """The logic of the customer service, without gRPC and SQL. Safe to call from several threads.

    Parameters
    ----------
    settings : Settings
        Passed to the refresh job.
    database : Database
        The shared database.
    now : callable
        Returns the current time.
    """

    def __init__(
        self, settings: Settings, database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._now = now
        self._applier = Applier(database)
        self._segment_models = SegmentModelManager(database)
        self._refreshing = SingleJob(REFRESH_JOB, settings)

    def upsert(
        self, given: Sequence[NewCustomer], *, create_only: bool = False, request: RequestKey | None = None
    ) -> tuple[int, int]:
        """Add or update customers, all or none, and return the numbers of added and updated customers.

        A `request` that was done before changes nothing, and the numbers are those of then.

        Raises
        ------
        AlreadyExists
            If an e-mail belongs to another customer, or if a customer exists and `create_only` is true.
        """
        with self._database.write() as connection:
            done, _ = request_ids.once(
                connection, request, lambda: json.dumps(customers.upsert(connection, given, create_only=create_only))
            )
        created, updated = json.loads(done)
        return created, updated

    def apply_events(self, up_to: int = 0) -> Applied:
        """Apply the event log at least up to the sequence number `up_to`; 0 means to its end. Safe to repeat."""
        return self._applier.apply(up_to)

    def apply_batch(self) -> bool:
        """Apply one batch of the event log and return whether more is left."""
        return self._applier.apply_batch()

    def profile(self, customer_id: str) -> Profile:
        """Return all that the platform knows about a customer. Raises NotFound."""
        self._applier.renew(self._caught_up(customer_id))
        with self._database.read() as connection:
            customer = customers.read(connection, customer_id)
            history = read_customer_history(connection, customer.key)
            model = self._segment_models.current(connection)
            return Profile(
                customer=customer,
                views=profiles.latest_views(connection, customer.key),
                purchases=profiles.latest_lines(connection, customer.key),
                cart=profiles.open_cart(connection, customer.key),
                affinity=self._affinity(history, model),
                segments=self._segments(connection, customer.key, history, model),
                changes=self._changes(history),
                embedding=self._embedding(connection, customer.key),
                sessions=profiles.count_sessions(connection, customer.key),
            )

    def preferences(self, customer_id: str) -> Affinity:
        """Return the preferences of a customer. Raises NotFound."""
        self._caught_up(customer_id)
        with self._database.read() as connection:
            customer = customers.read(connection, customer_id)
            return self._affinity(
                read_customer_history(connection, customer.key), self._segment_models.current(connection)
            )

    def segments(self, customer_id: str) -> list[Membership]:
        """Return the current segments of a customer, highest confidence first. Raises NotFound."""
        self._caught_up(customer_id)
        with self._database.read() as connection:
            customer = customers.read(connection, customer_id)
            history = read_customer_history(connection, customer.key)
            return self._segments(connection, customer.key, history, self._segment_models.current(connection))

    def changes(self, customer_id: str, false_alarm_rate: float | None = None) -> ChangeReport:
        """Return whether and how a customer's behaviour changed recently. Raises NotFound.

        `false_alarm_rate` is the probability that a change is reported for a customer without one; by default 1 %.
        """
        self._caught_up(customer_id)
        with self._database.read() as connection:
            customer = customers.read(connection, customer_id)
            history = read_customer_history(connection, customer.key)
        return self._changes(history, false_alarm_rate)

    def erase(self, customer_id: str, request: RequestKey | None = None) -> Receipt:
        """Erase every row about a customer in one transaction. Raises NotFound.

        A `request` that was done before is answered with its receipt.
        Afterwards the write-ahead log of SQLite is emptied, because it may still contain the rows.
        """
        with self._database.write() as connection:
            receipt_id, _ = request_ids.once(
                connection,
                request,
                lambda: erasure.erase(connection, customers.read(connection, customer_id).key).receipt_id,
            )
            receipt = erasure.read_receipt(connection, receipt_id)
        erasure.forget_log(self._database)
        return receipt

    def export(self, customer_id: str) -> Generator[tuple[str, dict[str, Any]], None, None]:
        """Yield (table, row) for every row about a customer, all read in one transaction. Raises NotFound."""
        with self._database.read() as connection:
            yield from erasure.export(connection, customers.read(connection, customer_id).key)

    async def refresh(self) -> AsyncGenerator[Progress, None]:
        """Recompute all customers in a child process and yield its progress. Raises Conflict if another one runs."""
        async with aclosing(self._refreshing.run()) as steps:
            async for progress in steps:
                yield progress

    def _caught_up(self, customer_id: str) -> int:
        """Apply the recorded events of a customer and return the customer's key. Raises NotFound."""
        with self._database.read() as connection:
            key = customers.read(connection, customer_id).key
        self._applier.catch_up(key)
        return key

    def _affinity(self, history: CustomerHistory, model: SegmentModel | None) -> Affinity:
        catalogue = history.catalogue
        found = preferences(
            history.events,
            catalogue,
            self._seconds(),
            category_population=aligned(model.categories, catalogue.categories) if model else None,
            brand_population=aligned(model.brands, catalogue.brands) if model else None,
        )
        return Affinity(found, history.products, history.currency)

    def _segments(
        self, connection: Connection, customer_key: int, history: CustomerHistory, model: SegmentModel | None
    ) -> list[Membership]:
        if model is None:
            return segments.memberships_of(connection, customer_key)
        return model.segments_of(history.events, history.catalogue, self._seconds())

    def _changes(self, history: CustomerHistory, false_alarm_rate: float | None = None) -> ChangeReport:
        rate = DEFAULT_SETTINGS.alpha if false_alarm_rate is None else false_alarm_rate
        settings = replace(DEFAULT_SETTINGS, alpha=rate)
        return detect_changes(history.events, history.catalogue.categories, self._seconds(), settings)

    def _embedding(self, connection: Connection, customer_key: int) -> CustomerEmbedding | None:
        """Return the customer's embedding in the active space; an embedding in an older space is recomputed first."""
        stored = customer_embeddings.read_embedding(connection, customer_key)
        if stored is None or stored.space_version == active_space(connection):
            return stored
        update_embeddings(self._database, [customer_key])
        with self._database.read() as fresh:
            return customer_embeddings.read_embedding(fresh, customer_key)

    def _seconds(self) -> int:
        return int(self._now().timestamp())
