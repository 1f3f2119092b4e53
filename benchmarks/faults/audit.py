"""What became of what was acknowledged: in the log, in the tables made from it, and in the credits."""

import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection, Table, func, select

from benchmarks.faults.ledger import FEEDBACK, ORDER
from shared.db import event_log, failed_events, waiting_responses
from shared.db.engine import Database
from shared.db.event_log import LoggedEvent
from shared.db.outcomes import CREDIT_KINDS
from shared.db.schema import browsing_history, cart_items, purchases, recommendation_outcomes

ALL = 10_000_000
TABLES = {"product_view": browsing_history, "add_to_cart": cart_items, "purchase": purchases}
"""Tables that gain one row with each event of a kind."""


@dataclass(frozen=True)
class Audit:
    """What is wrong, in numbers; all but `acknowledged`, `stored` and `clicks_lost` must be 0.

    Attributes
    ----------
    lost : int
        Acknowledged, not in the log.
    doubled : int
        In the log more than once.
    unasked : int
        In the log, never acknowledged though repeated until it was.
    misapplied : int
        Rows too many or too few in the tables made from the log.
    uncredited, credited_twice : int
        Orders after a click that are credited not at all, or more than once.
    clicks_lost : int
        Orders that are not credited because their click was not applied, as its list was not written yet when a process
        was killed, or because a clock that was wrong put them before their click.
    set_aside : int
        Events that an agent could not apply.
    """

    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0
    unasked: int = 0
    misapplied: int = 0
    uncredited: int = 0
    credited_twice: int = 0
    set_aside: int = 0
    clicks_lost: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        wrong = (self.lost, self.doubled, self.unasked, self.misapplied, self.uncredited, self.credited_twice)
        return not any((*wrong, self.set_aside))


def row_counts(database: Database) -> dict[str, int]:
    """Return how many rows the tables have, by the kind of event that adds to them."""
    with database.read() as connection:
        return {kind: _count(connection, table) for kind, table in TABLES.items()}


def wait_joined(database: Database, patience_seconds: float = 5.0) -> None:
    """Wait until no response waits for its list to be written, or for the patience: some lists never are."""
    until = time.monotonic() + patience_seconds
    while time.monotonic() < until:
        with database.read() as connection:
            if not waiting_responses.any_waiting(connection):
                return
        time.sleep(0.05)


def audit(
    database: Database, prefix: str, acknowledged: dict[str, str], orders: dict[str, str], before: dict[str, int]
) -> Audit:
    """Compare what was acknowledged under ids with `prefix` with what the database has; all of it must be applied.

    `orders` are those after a click on what is bought, with the id of the click; `before` are the rows there were.
    """
    expected = Counter(acknowledged.values())
    rows = row_counts(database)
    with database.read() as connection:
        logged = _stored(connection, prefix)
        credited = _credits(connection, orders)
        touched = _touches(connection)
        aside = sum(failed_events.counts(connection).values())
    stored = Counter(event_id for event_id, _ in logged)
    uncredited = [(click, order) for order, click in orders.items() if order not in credited]
    lost_clicks = sum(not _should_be_credited(*each, dict(logged), touched) for each in uncredited)
    return Audit(
        acknowledged=len(acknowledged),
        stored=stored.total(),
        lost=len(acknowledged.keys() - stored.keys()),
        doubled=sum(count - 1 for count in stored.values()),
        unasked=len(stored.keys() - acknowledged.keys()),
        misapplied=sum(abs(rows[kind] - before[kind] - expected[kind]) for kind in TABLES),
        uncredited=len(uncredited) - lost_clicks,
        credited_twice=sum(count > 1 for count in credited.values()),
        set_aside=aside,
        clicks_lost=lost_clicks,
    )


def _should_be_credited(click: str, order: str, logged: dict[str, LoggedEvent], touched: set[int]) -> bool:
    """Say whether a click was applied and came before the purchase by the times of both."""
    clicked, bought = logged.get(click), logged.get(order.removeprefix(ORDER))
    return bool(clicked and bought and clicked.sequence in touched and clicked.occurred_at <= bought.occurred_at)


def _stored(connection: Connection, prefix: str) -> list[tuple[str, LoggedEvent]]:
    """Return the callers' ids of what is in the log, events and feedback alike, and what was logged."""
    ids = ((each.event_id.removeprefix(f"{FEEDBACK}\x1f"), each) for each in event_log.read_after(connection, 0, ALL))
    return [each for each in ids if each[0].startswith(prefix)]


def _touches(connection: Connection) -> set[int]:
    """Return the numbers of all events that were applied to recommendations."""
    return set(connection.execute(select(recommendation_outcomes.c.event_sequence)).scalars())


def _credits(connection: Connection, orders: Collection[str]) -> Counter[str]:
    columns = recommendation_outcomes.c
    query = select(columns.purchase_id).where(columns.kind.in_(CREDIT_KINDS), columns.purchase_id.is_not(None))
    wanted = set(orders)
    return Counter(each for each in connection.execute(query).scalars() if each in wanted)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
