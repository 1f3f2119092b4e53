"""Write submissions into the event log: repeated ones once, ones that refer to nothing not at all."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain

from quintet.type.v1.event_pb2 import Event

from services.coordinator.event_consent import denied_measuring, store_consent
from services.coordinator.event_references import missing_of, order_facts
from services.coordinator.event_validation import FEEDBACK, PURCHASE, REFUND, Submission
from services.coordinator.group_commit import CommitResult
from services.coordinator.measuring import unmeasured
from services.coordinator.recommendation_references import with_numbers
from shared.consent import ALL_PERMITTED, Permissions
from shared.db import customers, event_log, products, sessions, unjoined_events
from shared.db.engine import Connection, Database, StaleReference
from shared.db.event_log import NewEvent
from shared.db.known_keys import KnownKeys, LookUp
from shared.db.unjoined_events import Missing, UnjoinedEvent
from shared.errors import AlreadyExists, NotFound, QuintetError
from shared.events.orders import OrderFacts, check_fits
from shared.recommendation_tokens import TokenKeys
from shared.telemetry import EVENTS


@dataclass(frozen=True)
class _Known:
    """What exists of all that a batch refers to."""

    events: set[str]
    kept: set[str]
    customers: dict[str, int]
    products: dict[str, int]
    purchases: dict[str, OrderFacts]
    kept_orders: set[str]

    def missing_of(self, submission: Submission) -> tuple[Missing, ...]:
        """Return what a submission names and nobody knows."""
        refunded = submission.order_id if submission.kind == REFUND else ""
        names = (submission.customer_id, submission.products, refunded)
        return missing_of(*names, self.customers, self.products, self.purchases)


@dataclass
class _Checked:
    """A batch after the checks.

    `accepted` is new and goes into the log; `kept` is new and misses something. By place in the batch, `missing` says
    what is missing, of what was kept before too, and `refused` why something is refused.
    """

    accepted: list[Submission] = field(default_factory=list)
    kept: list[tuple[Submission, tuple[Missing, ...]]] = field(default_factory=list)
    missing: dict[int, tuple[Missing, ...]] = field(default_factory=dict)
    refused: dict[int, QuintetError] = field(default_factory=dict)


class EventWriter:
    """Writes submissions durably: `commit` is one short write transaction for a whole batch.

    Keys of customers and products are remembered between batches. The foreign key of the log shows when a remembered
    customer was erased: then all is looked up anew. Products are never deleted. Only one thread may call `commit`.
    `plainly` writes rows of the log that releases before 0012 can read. With `keep_unknown`, events that name
    customers, products or orders that are not known yet are kept until they are; else they are refused. `default` is
    what is permitted where a shopper has said nothing.
    """

    def __init__(
        self,
        database: Database,
        tokens: TokenKeys,
        default: Permissions = ALL_PERMITTED,
        *,
        plainly: bool = False,
        keep_unknown: bool = False,
    ) -> None:
        self._database = database
        self._default = default
        self._keep_unknown = keep_unknown
        self._plainly = plainly
        self._tokens = tokens
        self._customers = KnownKeys(customers.resolve_customers)
        self._products = KnownKeys(products.product_keys)

    def commit(self, submissions: Sequence[Submission]) -> list[CommitResult]:
        """Append what is new and refers to things that exist; return what became of each submission, in order."""
        try:
            outcomes = self._commit(submissions)
        except StaleReference:
            # Something was erased after it was looked up: find out which, one by one.
            self._customers.forget()
            self._products.forget()
            outcomes = [self._commit_alone(submission) for submission in submissions]
        counts = Counter(
            (submission.kind, _word(outcome)) for submission, outcome in zip(submissions, outcomes, strict=True)
        )
        for (kind, word), count in counts.items():
            EVENTS.labels(kind, word).inc(count)
        return outcomes

    def forget_customer(self, customer_id: str) -> None:
        """Remember nothing of a customer."""
        self._customers.forget_one(customer_id)

    def check(self, submission: Submission) -> tuple[Missing, ...]:
        """Return what a commit of the submission would miss, or raise what it would be refused with; write nothing."""
        with self._database.read() as connection:
            known = _look_up(connection, [submission], customers.resolve_customers, products.product_keys)
        checked = self._check([submission], known)
        for error in checked.refused.values():
            raise error
        return checked.missing.get(0, ())

    def check_products(self, named: Sequence[tuple[str, str]]) -> None:
        """Raise NotFound naming the field for the first of (product id, field) that does not exist."""
        with self._database.read() as connection:
            known = products.product_keys(connection, {name for name, _ in named if name})
        missing = _first_missing(named, known.__contains__)
        if missing:
            raise NotFound.of("product", *missing)

    def _commit(self, submissions: Sequence[Submission]) -> list[CommitResult]:
        with self._database.write() as connection:
            event_log.lock_log(connection)
            known = _look_up(connection, submissions, self._customers.of, self._products.of)
            checked = self._check(submissions, known)
            owners = _Owners(connection, submissions, checked.accepted, known.customers)
            accepted = self._permitted(connection, checked.accepted, owners)
            new = [_new_event(each, owners.of(each)) for each in accepted if each.recorded]
            numbers = event_log.append_new(connection, new, plainly=self._plainly)
            unjoined_events.keep(connection, [_unjoined(each, missing) for each, missing in checked.kept])
            kept = {each.log_id for each, _ in checked.kept}
            named = {
                index: _session(connection, each, owners)
                for index, each in enumerate(submissions)
                if each.wants_session and index not in checked.refused and index not in checked.missing
            }
        acknowledged = {each.log_id for each in accepted if not each.recorded}
        return [
            CommitResult(each.event_id, error=checked.refused[index])
            if index in checked.refused
            else _kept(each, kept, checked.missing[index])
            if index in checked.missing
            else _recorded(each, numbers, acknowledged, named.get(index, ""))
            for index, each in enumerate(submissions)
        ]

    def _permitted(self, connection: Connection, accepted: Sequence[Submission], owners: "_Owners") -> list[Submission]:
        """Store the consent that submissions carry; return them without what `measure` is not permitted for."""
        said = ((owners.of(each), each.occurred_at, each.consent) for each in accepted if each.consent.said)
        store_consent(connection, said)
        about = {each.log_id: owner for each in accepted if each.recommendations and (owner := owners.shopper(each))}
        denied = denied_measuring(connection, set(about.values()), self._default)
        return [unmeasured(each) if about.get(each.log_id) in denied else each for each in accepted]

    def _check(self, submissions: Sequence[Submission], known: _Known) -> _Checked:
        """Tell what can be accepted from what cannot; those before in the batch count as recorded."""
        checked = _Checked()
        known = replace(
            known,
            events=set(known.events),
            kept=set(known.kept),
            purchases=dict(known.purchases),
            kept_orders=set(known.kept_orders),
        )
        for index, each in enumerate(submissions):
            try:
                self._check_one(index, each, known, checked)
            except QuintetError as error:
                checked.refused[index] = error
        return checked

    def _check_one(self, index: int, submission: Submission, known: _Known, checked: _Checked) -> None:
        """Sort one submission, and have `known` tell of it. Raises why it is refused."""
        log_id = submission.log_id
        if log_id in known.events:
            return  # a repeated one is never refused: it was accepted before
        missing = known.missing_of(submission)
        if log_id in known.kept:
            checked.missing[index] = missing
            return
        if missing and not self._keep_unknown:
            raise _not_found(submission, missing[0])
        _require_fitting(submission, known)
        complete = with_numbers(submission, self._tokens) if submission.recommendations else submission
        if missing:
            checked.missing[index] = missing
            checked.kept.append((complete, missing))
            known.kept.add(log_id)
        else:
            checked.accepted.append(complete)
            known.events.add(log_id)
        if submission.kind == PURCHASE and missing:
            known.kept_orders.add(submission.order_id)
        elif submission.kind == PURCHASE:
            known.purchases[submission.order_id] = OrderFacts.of(Event.FromString(submission.payload))

    def _commit_alone(self, submission: Submission) -> CommitResult:
        try:
            return self._commit([submission])[0]
        except StaleReference:
            gone = Missing("customer", submission.customer_id)
            return CommitResult(submission.event_id, error=_not_found(submission, gone))


class _Owners:
    """Whose each submission of a batch is. The visitors of accepted ones are added; only known ones have a key else."""

    def __init__(
        self,
        connection: Connection,
        submissions: Sequence[Submission],
        accepted: Sequence[Submission],
        known: Mapping[str, int],
    ) -> None:
        self._connection = connection
        self._customers = known
        new = _anonymous(accepted)
        self._visitors = customers.resolve_visitors(connection, new) if new else {}
        others = [each for each in _anonymous(submissions) if each not in self._visitors]
        if others:
            self._visitors |= customers.known_visitors(connection, others)

    def shopper(self, submission: Submission) -> int | None:
        """Return the key of who responds to recommendations, of feedback too; None when nobody is named or known."""
        if submission.kind != FEEDBACK:
            return self.of(submission)
        who = submission.shopper
        if who.customer_id:
            return customers.resolve_customers(self._connection, [who.customer_id]).get(who.customer_id)
        return customers.known_visitors(self._connection, [who.visitor_id]).get(who.visitor_id)

    def of(self, submission: Submission) -> int | None:
        """Return the key; None for feedback, and for an unknown visitor of a repeated or refused submission."""
        if submission.customer_id:
            return self._customers.get(submission.customer_id)
        return self._visitors.get(submission.visitor_id)


def _anonymous(submissions: Iterable[Submission]) -> list[str]:
    return sorted({each.visitor_id for each in submissions if each.visitor_id and not each.customer_id})


def _recorded(
    submission: Submission, numbers: dict[str, int], acknowledged: Collection[str], session: str
) -> CommitResult:
    """Return the result of what was recorded now, or before; the first of equal ids in a batch is the new one.

    `acknowledged` are ids of what is not recorded.
    """
    number = numbers.pop(submission.log_id, None)
    duplicate = number is None and submission.log_id not in acknowledged
    return CommitResult(submission.event_id, number or 0, duplicate, None, session)


def _kept(submission: Submission, kept: set[str], missing: tuple[Missing, ...]) -> CommitResult:
    """Return the result of what is kept now, or was before; the first of equal ids in a batch is the new one."""
    fresh = submission.log_id in kept
    kept.discard(submission.log_id)
    return CommitResult(submission.event_id, duplicate=not fresh, unjoined=True, missing=missing)


def _unjoined(submission: Submission, missing: tuple[Missing, ...]) -> UnjoinedEvent:
    order_id = submission.order_id if submission.kind == PURCHASE else None
    names = (submission.customer_id, submission.visitor_id, order_id)
    return UnjoinedEvent(
        submission.log_id, submission.kind, *names, submission.occurred_at, submission.payload, missing
    )


def _session(connection: Connection, submission: Submission, owners: _Owners) -> str:
    """Return the name of the session that a submission is in; empty where it is not known."""
    owner = owners.of(submission)
    if owner is None:
        return ""
    return sessions.name_at(connection, owner, min(submission.occurred_at, datetime.now(UTC)))


def _look_up(
    connection: Connection, submissions: Sequence[Submission], customers_of: LookUp, products_of: LookUp
) -> _Known:
    orders_named = {each.order_id for each in submissions if each.order_id}
    ids = [each.log_id for each in submissions if not each.fresh]
    return _Known(
        events=event_log.known_ids(connection, ids),
        kept=unjoined_events.kept_ids(connection, ids),
        customers=customers_of(connection, {each.customer_id for each in submissions if each.customer_id}),
        products=products_of(connection, set(chain.from_iterable([each.products for each in submissions]))),
        purchases=order_facts(connection, orders_named),
        kept_orders=unjoined_events.kept_orders(connection, orders_named),
    )


def _require_fitting(submission: Submission, known: _Known) -> None:
    """Raise why a new submission cannot be accepted with the orders there are by now."""
    order = known.purchases.get(submission.order_id)
    if submission.kind == REFUND and order is not None:
        check_fits(Event.FromString(submission.payload), order, submission.field)
    elif submission.kind == PURCHASE and (order is not None or submission.order_id in known.kept_orders):
        name = f"{submission.field}.{submission.kind}.purchase_id"
        raise AlreadyExists.of("purchase", submission.order_id, name)


def _not_found(submission: Submission, missing: Missing) -> NotFound:
    """Return the error that names the field of the first that is missing."""
    if missing.kind == "customer":
        return NotFound.of("customer", missing.external_id, f"{submission.field}.customer_id")
    if missing.kind == "purchase":
        name = f"{submission.field}.{submission.kind}.purchase_id"
        return NotFound.of("purchase", missing.external_id, name)
    place = list(submission.products).index(missing.external_id)
    return NotFound.of("product", missing.external_id, submission.product_field(place))


def _first_missing(named: Iterable[tuple[str, str]], exists: Callable[[str], bool]) -> tuple[str, str] | None:
    return next(((name, field) for name, field in named if not exists(name)), None)


def _new_event(submission: Submission, owner: int | None) -> NewEvent:
    order_id = submission.order_id if submission.kind == PURCHASE else None
    return NewEvent(submission.log_id, owner, submission.kind, submission.occurred_at, submission.payload, order_id)


def _word(outcome: CommitResult) -> str:
    if outcome.error is not None:
        return "rejected"
    if outcome.unjoined and not outcome.duplicate:
        return "unjoined"
    return "duplicate" if outcome.duplicate else "recorded"
