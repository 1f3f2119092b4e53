"""Write submissions into the event log: repeated ones once, ones that refer to nothing not at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from quintet.type.v1.event_pb2 import Event

from services.coordinator.event_validation import Submission
from services.coordinator.group_commit import CommitResult
from services.coordinator.recommendation_references import with_numbers
from shared.db import customers, event_log, orders, products
from shared.db.engine import Connection, Database, StaleReference
from shared.db.event_log import NewEvent
from shared.errors import AlreadyExists, InvalidArgument, NotFound, QuintetError
from shared.events.orders import OrderFacts, check_fits
from shared.recommendation_tokens import TokenKeys
from shared.telemetry import EVENTS

log = structlog.get_logger()


@dataclass(frozen=True)
class _Known:
    """What exists of all that a batch refers to."""

    events: set[str]
    customers: dict[str, int]
    products: dict[str, int]
    purchases: dict[str, OrderFacts]


class EventWriter:
    """The durable end of the group commit: `commit` is one short write transaction for a whole batch."""

    def __init__(self, database: Database, tokens: TokenKeys) -> None:
        self._database = database
        self._tokens = tokens

    def commit(self, submissions: Sequence[Submission]) -> list[CommitResult]:
        """Append what is new and refers to things that exist; return what became of each submission, in order."""
        try:
            outcomes = self._commit(submissions)
        except StaleReference:
            # Something was erased between the look-up and the write: find out which, one by one.
            outcomes = [self._commit_alone(submission) for submission in submissions]
        for submission, outcome in zip(submissions, outcomes, strict=True):
            EVENTS.labels(submission.kind, _word(outcome)).inc()
        return outcomes

    def check(self, submission: Submission) -> None:
        """Raise what a commit of the submission would be refused with; write nothing."""
        refusals, _ = self._refusals([submission])
        for error in refusals.values():
            raise error

    def check_products(self, named: Sequence[tuple[str, str]]) -> None:
        """Raise NotFound naming the field for the first of (product id, field) that does not exist."""
        with self._database.read() as connection:
            known = products.product_keys(connection, _distinct(name for name, _ in named))
        missing = _first_missing(named, known.__contains__)
        if missing:
            raise NotFound.of("product", *missing)

    def _commit(self, submissions: Sequence[Submission]) -> list[CommitResult]:
        refusals, known = self._refusals(submissions)
        accepted = [each for index, each in enumerate(submissions) if index not in refusals]
        numbers = self._append([each for each in accepted if each.log_id not in known.events], known)
        taken: set[str] = set()
        outcomes = []
        for index, each in enumerate(submissions):
            if index in refusals:
                outcomes.append(CommitResult(each.event_id, error=refusals[index]))
                continue
            fresh = each.log_id in numbers and each.log_id not in taken
            taken.add(each.log_id)
            outcomes.append(CommitResult(each.event_id, numbers.get(each.log_id, 0), duplicate=not fresh))
        return outcomes

    def _refusals(self, submissions: Sequence[Submission]) -> tuple[dict[int, QuintetError], _Known]:
        """Return why submissions cannot be accepted, by place; those before in the batch count as recorded."""
        with self._database.read() as connection:
            known = _look_up(connection, submissions)
        refusals: dict[int, QuintetError] = {}
        events, ordered = set(known.events), dict(known.purchases)
        for index, each in enumerate(submissions):
            if each.log_id in events:
                continue  # a repeated one is never refused: it was accepted before
            error = _refusal(each, known, ordered) or _bad_recommendation(each, self._tokens)
            if error is not None:
                refusals[index] = error
                continue
            events.add(each.log_id)
            if each.purchased:
                ordered[each.purchased[0]] = OrderFacts.of(Event.FromString(each.payload))
        return refusals, known

    def _append(self, submissions: Sequence[Submission], known: _Known) -> dict[str, int]:
        if not submissions:
            return {}
        with self._database.write() as connection:
            anonymous = {each.visitor_id for each in submissions if each.visitor_id and not each.customer_id}
            visitors = customers.resolve_visitors(connection, sorted(anonymous))
            new = [_new_event(with_numbers(each, self._tokens), known.customers, visitors) for each in submissions]
            return event_log.append(connection, new)

    def _commit_alone(self, submission: Submission) -> CommitResult:
        try:
            return self._commit([submission])[0]
        except StaleReference:
            missing = NotFound.of("customer", submission.customer_id, submission.customer_field)
            return CommitResult(submission.event_id, error=missing)


def _look_up(connection: Connection, submissions: Sequence[Submission]) -> _Known:
    orders_named = {order[0] for each in submissions for order in (each.purchased, each.refunded) if order}
    return _Known(
        events=event_log.known_ids(connection, [each.log_id for each in submissions]),
        customers=customers.resolve_customers(connection, _distinct(each.customer_id for each in submissions)),
        products=products.product_keys(connection, _distinct(id_ for each in submissions for id_, _ in each.products)),
        purchases=_purchases(connection, orders_named) if orders_named else {},
    )


def _purchases(connection: Connection, wanted: set[str]) -> dict[str, OrderFacts]:
    """Return those of the purchases that exist, also those that are in the log and not projected yet."""
    found = orders.read_orders(connection, wanted)
    if len(found) == len(wanted):
        return found
    position = event_log.cursor(connection, "customer")
    while batch := event_log.read_after(connection, position, limit=500):
        for event in (Event.FromString(each.payload) for each in batch if each.kind == "purchase"):
            if event.purchase.purchase_id in wanted:
                found[event.purchase.purchase_id] = OrderFacts.of(event)
        position = batch[-1].sequence
    return found


def _refusal(submission: Submission, known: _Known, ordered: Mapping[str, OrderFacts]) -> QuintetError | None:
    """Return why a new submission cannot be accepted, or None; `ordered` are the orders there are by now."""
    if submission.customer_id and submission.customer_id not in known.customers:
        return NotFound.of("customer", submission.customer_id, submission.customer_field)
    missing = _first_missing(submission.products, known.products.__contains__)
    if missing:
        return NotFound.of("product", *missing)
    if submission.refunded:
        return _refund_refusal(submission, *submission.refunded, ordered)
    if submission.purchased and submission.purchased[0] in ordered:
        return AlreadyExists.of("purchase", *submission.purchased)
    return None


def _bad_recommendation(submission: Submission, tokens: TokenKeys) -> QuintetError | None:
    """Return why a recommendation that a submission names cannot be responded to, or None."""
    try:
        with_numbers(submission, tokens)
    except (NotFound, InvalidArgument) as error:
        return error
    return None


def _refund_refusal(
    submission: Submission, order_id: str, field: str, ordered: Mapping[str, OrderFacts]
) -> QuintetError | None:
    if order_id not in ordered:
        return NotFound.of("purchase", order_id, field)
    try:
        check_fits(Event.FromString(submission.payload), ordered[order_id], field.removesuffix(".refund.purchase_id"))
    except InvalidArgument as error:
        return error
    return None


def _first_missing(named: Iterable[tuple[str, str]], exists: Callable[[str], bool]) -> tuple[str, str] | None:
    return next(((name, field) for name, field in named if not exists(name)), None)


def _new_event(submission: Submission, known: dict[str, int], visitors: dict[str, int]) -> NewEvent:
    key = known.get(submission.customer_id) if submission.customer_id else visitors.get(submission.visitor_id)
    return NewEvent(submission.log_id, key, submission.kind, submission.occurred_at, submission.payload)


def _distinct(ids: Iterable[str]) -> list[str]:
    return sorted({each for each in ids if each})


def _word(outcome: CommitResult) -> str:
    if outcome.error is not None:
        return "rejected"
    return "duplicate" if outcome.duplicate else "recorded"
