"""Write submissions into the event log: repeated ones once, ones that refer to nothing not at all."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain

from quintet.type.v1.event_pb2 import Event

from services.coordinator.event_consent import store_consent
from services.coordinator.event_validation import FEEDBACK, PURCHASE, REFUND, Submission
from services.coordinator.group_commit import CommitResult
from services.coordinator.measuring import unmeasured
from services.coordinator.recommendation_references import with_numbers
from shared.consent import ALL_PERMITTED, Permissions
from shared.db import consents, customers, event_log, orders, products, sessions
from shared.db.engine import Connection, Database, StaleReference
from shared.db.event_log import NewEvent
from shared.db.known_keys import KnownKeys, LookUp
from shared.errors import AlreadyExists, NotFound, QuintetError
from shared.events.orders import OrderFacts, check_fits
from shared.recommendation_tokens import TokenKeys
from shared.telemetry import EVENTS


@dataclass(frozen=True)
class _Known:
    """What exists of all that a batch refers to."""

    events: set[str]
    customers: dict[str, int]
    products: dict[str, int]
    purchases: dict[str, OrderFacts]


@dataclass
class _Checked:
    """A batch after the checks: what is new and accepted, and the errors of what is refused by place in the batch."""

    accepted: list[Submission] = field(default_factory=list)
    refused: dict[int, QuintetError] = field(default_factory=dict)


class EventWriter:
    """Writes submissions durably: `commit` is one short write transaction for a whole batch.

    Keys of customers and products are remembered between batches. The foreign key of the log shows when a remembered
    customer was erased: then all is looked up anew. Products are never deleted. Only one thread may call `commit`.
    `default` is what is permitted where a shopper has said nothing.
    """

    def __init__(self, database: Database, tokens: TokenKeys, default: Permissions = ALL_PERMITTED) -> None:
        self._database = database
        self._default = default
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

    def check(self, submission: Submission) -> None:
        """Raise what a commit of the submission would be refused with; write nothing."""
        with self._database.read() as connection:
            known = _look_up(connection, [submission], customers.resolve_customers, products.product_keys)
        for error in self._check([submission], known).refused.values():
            raise error

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
            recorded = [each for each in accepted if each.recorded]
            numbers = event_log.append_new(connection, [_new_event(each, owners.of(each)) for each in recorded])
            named = {
                index: _session(connection, each, owners)
                for index, each in enumerate(submissions)
                if each.wants_session and index not in checked.refused
            }
        acknowledged = {each.log_id for each in accepted if not each.recorded}
        return [
            CommitResult(each.event_id, error=checked.refused[index])
            if index in checked.refused
            else _recorded(each, numbers, acknowledged, named.get(index, ""))
            for index, each in enumerate(submissions)
        ]

    def _permitted(self, connection: Connection, accepted: Sequence[Submission], owners: "_Owners") -> list[Submission]:
        """Store the consent that submissions carry; return them without what `measure` is not permitted for."""
        store_consent(connection, ((owners.of(each), each) for each in accepted if each.consent.said))
        about = {each.log_id: owner for each in accepted if each.recommendations and (owner := owners.shopper(each))}
        said = consents.consents_of(connection, set(about.values())) if about else {}
        denied = {key for key, consent in said.items() if not consent.permissions(self._default).measure}
        return [unmeasured(each) if about.get(each.log_id) in denied else each for each in accepted]

    def _check(self, submissions: Sequence[Submission], known: _Known) -> _Checked:
        """Tell what can be accepted from what cannot; those before in the batch count as recorded."""
        checked = _Checked()
        events, ordered = set(known.events), dict(known.purchases)
        for index, each in enumerate(submissions):
            log_id = each.log_id
            if log_id in events:
                continue  # a repeated one is never refused: it was accepted before
            try:
                _require_known(each, known, ordered)
                checked.accepted.append(with_numbers(each, self._tokens) if each.recommendations else each)
            except QuintetError as error:
                checked.refused[index] = error
                continue
            events.add(log_id)
            if each.kind == PURCHASE:
                ordered[each.order_id] = OrderFacts.of(Event.FromString(each.payload))
        return checked

    def _commit_alone(self, submission: Submission) -> CommitResult:
        try:
            return self._commit([submission])[0]
        except StaleReference:
            missing = _no_customer(submission)
            return CommitResult(submission.event_id, error=missing)


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
    return _Known(
        events=event_log.known_ids(connection, [each.log_id for each in submissions if not each.fresh]),
        customers=customers_of(connection, {each.customer_id for each in submissions if each.customer_id}),
        products=products_of(connection, set(chain.from_iterable([each.products for each in submissions]))),
        purchases=_purchases(connection, orders_named) if orders_named else {},
    )


def _purchases(connection: Connection, wanted: set[str]) -> dict[str, OrderFacts]:
    """Return those of the purchases that exist, also those that are in the log and not projected yet."""
    found = orders.read_orders(connection, wanted)
    missing = wanted - found.keys()
    for event in map(Event.FromString, event_log.recorded_purchases(connection, missing)):
        found.setdefault(event.purchase.purchase_id, OrderFacts.of(event))
    return found


def _require_known(submission: Submission, known: _Known, ordered: Mapping[str, OrderFacts]) -> None:
    """Raise why a new submission cannot be accepted; `ordered` are the orders there are by now."""
    if submission.customer_id and submission.customer_id not in known.customers:
        raise _no_customer(submission)
    for place, product_id in enumerate(submission.products):
        if product_id not in known.products:
            raise NotFound.of("product", product_id, submission.product_field(place))
    if not submission.order_id:
        return
    field_name = f"{submission.field}.{submission.kind}.purchase_id"
    if submission.kind == REFUND:
        _require_fitting(submission, field_name, ordered)
    elif submission.order_id in ordered:
        raise AlreadyExists.of("purchase", submission.order_id, field_name)


def _require_fitting(submission: Submission, field_name: str, ordered: Mapping[str, OrderFacts]) -> None:
    order = ordered.get(submission.order_id)
    if order is None:
        raise NotFound.of("purchase", submission.order_id, field_name)
    check_fits(Event.FromString(submission.payload), order, submission.field)


def _no_customer(submission: Submission) -> NotFound:
    return NotFound.of("customer", submission.customer_id, f"{submission.field}.customer_id")


def _first_missing(named: Iterable[tuple[str, str]], exists: Callable[[str], bool]) -> tuple[str, str] | None:
    return next(((name, field) for name, field in named if not exists(name)), None)


def _new_event(submission: Submission, owner: int | None) -> NewEvent:
    order_id = submission.order_id if submission.kind == PURCHASE else None
    return NewEvent(submission.log_id, owner, submission.kind, submission.occurred_at, submission.payload, order_id)


def _word(outcome: CommitResult) -> str:
    if outcome.error is not None:
        return "rejected"
    return "duplicate" if outcome.duplicate else "recorded"
