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
from shared.consent import Consent
from shared.db import (
    consents,
    customer_embeddings,
    customer_updates,
    customers,
    erasure,
    erasure_receipts,
    event_log,
    profiles,
    request_ids,
    segments,
)
from shared.db.customer_embeddings import CustomerEmbedding
from shared.db.customer_updates import NewCustomer
from shared.db.customers import Customer, Filters
from shared.db.engine import Connection, Database, retried
from shared.db.erasure_receipts import Receipt
from shared.db.log_consumer import Applied, Replayed
from shared.db.profiles import Shown
from shared.db.segments import Membership
from shared.errors import FailedPrecondition, FieldViolation, NotFound
from shared.jobs import Progress, SingleJob
from shared.page_tokens import key_of_token, page_token
from shared.request_ids import RequestKey

EVERYBODY = Filters()
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


@dataclass(frozen=True)
class Who:
    """A customer, or else a visitor, by the platform's ids."""

    customer_id: str = ""
    visitor_id: str = ""


@dataclass(frozen=True)
class PageQuery:
    """Which page of customers is asked for."""

    size: int
    token: str = ""
    filters: Filters = EVERYBODY

    @property
    def texts(self) -> tuple[str, ...]:
        """The filters as texts: a page token is bound to them."""
        moments = (self.filters.registered_since, self.filters.active_since)
        return (*("" if each is None else each.isoformat() for each in moments), self.filters.segment)


@dataclass(frozen=True)
class CustomerPage:
    """The customers of a page, and the token of the next page; the last page has an empty token."""

    customers: list[Customer]
    next_token: str


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
        self._applier = Applier(database, settings.projection_partitions)
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
            If a customer exists and `create_only` is true.
        """
        with self._database.write() as connection:
            done, _ = request_ids.once(
                connection,
                request,
                lambda: json.dumps(customer_updates.upsert(connection, given, create_only=create_only)),
            )
        created, updated = json.loads(done)
        return created, updated

    def customer(self, customer_id: str) -> Customer:
        """Return a customer as stored. Raises NotFound."""
        with self._database.read() as connection:
            return customers.read(connection, customer_id)

    def page(self, query: PageQuery) -> CustomerPage:
        """Return a page of customers in the order in which they were added. Raises InvalidArgument for a bad token."""
        texts = query.texts
        after = key_of_token(query.token, *texts)
        with self._database.read() as connection:
            found = customers.list_customers(connection, query.filters, after, query.size + 1)
        page, more = found[: query.size], len(found) > query.size
        return CustomerPage(page, page_token(page[-1].key, *texts) if more else "")

    def set_visitor_consent(self, visitor_id: str, said: Consent) -> tuple[Consent, datetime | None]:
        """Store what a visitor said about consent; return what is in force and since when.

        Raises FailedPrecondition if the visitor is a customer.
        """
        with self._database.write() as connection:
            key = customers.resolve_visitors(connection, [visitor_id])[visitor_id]
            _require_anonymous(connection, key)
            consents.store(connection, key, said, self._now())
            return consents.read_consent(connection, key)

    def apply_events(self, up_to: int = 0, until: float | None = None) -> Applied:
        """Apply the event log at least up to the sequence number `up_to`; 0 means to its end. Safe to repeat.

        No batch is begun after `until`, a moment on the monotonic clock.
        """
        return self._applier.apply(up_to, until)

    def replay_events(self, sequences: Sequence[int]) -> Replayed:
        """Apply those of the events again that were set aside. Safe to repeat."""
        return self._applier.replay(sequences)

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

    def erase(self, who: Who, request: RequestKey | None = None) -> Receipt:
        """Erase every row about a customer or visitor in one transaction.

        A `request` that was done before is answered with its receipt.
        Afterwards the write-ahead log of SQLite is emptied, because it may still contain the rows.

        Raises NotFound, and FailedPrecondition for a visitor who is a customer.
        """
        receipt = retried(lambda: self._erase(who, request))
        erasure.forget_log(self._database)
        return receipt

    def _erase(self, who: Who, request: RequestKey | None) -> Receipt:
        with self._database.write() as connection:
            receipt_id, _ = request_ids.once(
                connection, request, lambda: erasure.erase(connection, _key_of(connection, who)).receipt_id
            )
            return erasure_receipts.read_receipt(connection, receipt_id)

    def receipt(self, receipt_id: str) -> Receipt:
        """Return a stored receipt. Raises NotFound, and DataLoss for one that was changed."""
        with self._database.read() as connection:
            return erasure_receipts.read_receipt(connection, receipt_id)

    def export(self, who: Who) -> Generator[tuple[str, dict[str, Any]], None, None]:
        """Yield (table, row) for every row about a customer or visitor, all read in one transaction.

        Errors as for `erase`.
        """
        with self._database.read() as connection:
            yield from erasure.export(connection, _key_of(connection, who))

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
        """Return the customer's embedding in the active space, with all their events.

        It is computed first where the stored one is of an older space, or another replica has not come to renew it.
        """
        stored = customer_embeddings.read_embedding(connection, customer_key)
        last = event_log.last_sequence_of(connection, customer_key)
        if stored is None and not last:
            return None
        if stored is not None and stored.applied >= last and stored.space_version == active_space(connection):
            return stored
        update_embeddings(self._database, [customer_key])
        with self._database.read() as fresh:
            return customer_embeddings.read_embedding(fresh, customer_key)

    def _seconds(self) -> int:
        return int(self._now().timestamp())


def _key_of(connection: Connection, who: Who) -> int:
    """Return the key of a customer or visitor.

    Raises NotFound, and FailedPrecondition for a visitor who is a customer.
    """
    if who.customer_id:
        return customers.read(connection, who.customer_id).key
    key = customers.known_visitors(connection, [who.visitor_id]).get(who.visitor_id)
    if key is None:
        raise NotFound.of("visitor", who.visitor_id, "visitor_id")
    _require_anonymous(connection, key)
    return key


def _require_anonymous(connection: Connection, key: int) -> None:
    found = customers.read_by_key(connection, key)
    if found is not None and found.external_id:
        problem = "the visitor became a customer, whose data what they did is now"
        raise FailedPrecondition(f"visitor_id: {problem}", (FieldViolation("visitor_id", problem),))
