"""Facts of sessions: what was bought in each, and what came of the lists that were made in it.

A list is made in the session of its shopper that its moment lies in. Where it lies in none, because an answer is given
before the event that asks for it is recorded, it is the closest within 30 minutes; of several, the one that began last.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, Connection, Select, func, select, type_coerce

from shared.db.batches import among
from shared.db.engine import replace_rows
from shared.db.metric_cells import day_of
from shared.db.metric_segments import NO_SEGMENT, segments_of
from shared.db.schema import list_facts, products, purchase_items, purchases, session_amounts, session_facts, sessions
from shared.db.sessions import SILENCE
from shared.db.types import MICROSECOND
from shared.experiments.arm_names import arms_of_session
from shared.metric_numbers import ALL_ALGORITHMS, MetricNumbers

_SILENCE = SILENCE // MICROSECOND
OF_LISTS = ("lists_shown", "shown", "clicked", "added_to_cart", "purchased", "purchased_after_view", "dismissed")
"""Columns of a session that are sums over the lists made in it; and `refunded`."""


@dataclass
class SessionAmounts:
    """Money of a session in one currency, in minor units; see the table."""

    orders: int = 0
    revenue: int = 0
    refunded: int = 0
    costed: int = 0
    margin: int = 0
    attributed: int = 0


@dataclass
class _Session:
    session_id: int
    customer_key: int
    started_at: datetime
    segment: str = NO_SEGMENT
    arms: set[str] = field(default_factory=set)
    """Those of each list of the session."""
    orders: int = 0
    units: float = 0.0
    of_lists: MetricNumbers = field(default_factory=MetricNumbers)
    amounts: defaultdict[str, SessionAmounts] = field(default_factory=lambda: defaultdict(SessionAmounts))


class _Near(NamedTuple):
    """A session within 30 minutes of a list; moments are microseconds since 1970."""

    list_id: int
    made_at: int
    session_id: int
    started_at: int
    ended_at: int

    def closeness(self) -> tuple[int, int, int]:
        """Return what is least for the session that the list was made in."""
        away = max(self.started_at - self.made_at, self.made_at - self.ended_at, 0)
        return away, -self.started_at, self.session_id


def make_anew(connection: Connection, session_ids: Collection[int]) -> None:
    """Make the facts of sessions anew, and of those whose lists may have become theirs; unknown ones are left out."""
    if not session_ids:
        return
    concerned = set(session_ids) | {near.session_id for near in _near(connection, session_ids)}
    found = _read(connection, concerned)
    _add_orders(connection, found)
    _add_lines(connection, found)
    _add_lists(connection, found)
    _write(connection, list(found.values()))


def sessions_near_lists(connection: Connection, list_ids: Collection[int]) -> set[int]:
    """Return the sessions that lists may have been made in."""
    return {near.session_id for near in _of_lists(connection, list_ids)}


def sessions_of(connection: Connection, customer_keys: Collection[int]) -> set[int]:
    """Return all sessions of customers."""
    theirs = among(connection, sessions.c.customer_id, customer_keys)
    return set(connection.execute(select(sessions.c.session_id).where(theirs)).scalars())


def _near(connection: Connection, session_ids: Collection[int]) -> list[_Near]:
    """Return all sessions that are near the lists which are near some sessions."""
    these = among(connection, sessions.c.session_id, session_ids)
    lists = set(connection.execute(_joined(list_facts.c.list_id).where(these)).scalars())
    return _of_lists(connection, lists)


def _of_lists(connection: Connection, list_ids: Collection[int]) -> list[_Near]:
    if not list_ids:
        return []
    query = _joined(
        list_facts.c.list_id,
        type_coerce(list_facts.c.generated_at, BigInteger),
        sessions.c.session_id,
        type_coerce(sessions.c.started_at, BigInteger),
        type_coerce(sessions.c.last_event_at, BigInteger),
    ).where(among(connection, list_facts.c.list_id, list_ids))
    return [_Near(*row) for row in connection.execute(query)]


def _joined(*columns: Any) -> Select[Any]:
    """Return a query of lists with the sessions of their shoppers that they are at most 30 minutes away from."""
    session, made_at = sessions.c, type_coerce(list_facts.c.generated_at, BigInteger)
    near = (
        (session.customer_id == list_facts.c.customer_id)
        & (type_coerce(session.last_event_at, BigInteger) >= made_at - _SILENCE)
        & (type_coerce(session.started_at, BigInteger) <= made_at + _SILENCE)
    )
    return select(*columns).select_from(list_facts.join(sessions, near))


def _read(connection: Connection, session_ids: Collection[int]) -> dict[int, _Session]:
    columns = sessions.c
    query = select(columns.session_id, columns.customer_id, columns.started_at)
    rows = connection.execute(query.where(among(connection, columns.session_id, session_ids)))
    found = {row.session_id: _Session(*row) for row in rows}
    stored = select(session_facts.c.session_id, session_facts.c.segment)
    kept = connection.execute(stored.where(among(connection, session_facts.c.session_id, found)))
    segments = {row.session_id: row.segment for row in kept if row.segment != NO_SEGMENT}
    fresh = {each.customer_key for key, each in found.items() if key not in segments}
    current = segments_of(connection, fresh) if fresh else {}
    for key, each in found.items():
        each.segment = segments.get(key, current.get(each.customer_key, NO_SEGMENT))
    return found


def _add_orders(connection: Connection, found: Mapping[int, _Session]) -> None:
    order = purchases.c
    query = (
        select(
            order.session_id,
            order.currency,
            func.count(),
            func.sum(order.total_amount),
            func.sum(order.refunded_amount),
        )
        .where(among(connection, order.session_id, found))
        .group_by(order.session_id, order.currency)
    )
    for key, currency, orders, revenue, refunded in connection.execute(query):
        found[key].orders += orders
        amounts = found[key].amounts[currency]
        amounts.orders, amounts.revenue, amounts.refunded = orders, int(revenue), int(refunded)


def _add_lines(connection: Connection, found: Mapping[int, _Session]) -> None:
    """Add units of all lines; and margins of those whose product has a cost in the currency of the order."""
    order, line, product = purchases.c, purchase_items.c, products.c
    lines = purchases.join(purchase_items, line.purchase_id == order.purchase_id)
    of_these = among(connection, order.session_id, found)
    units = select(order.session_id, func.sum(line.quantity)).select_from(lines).where(of_these)
    for key, quantity in connection.execute(units.group_by(order.session_id)):
        found[key].units = float(quantity)
    kept = func.sum(line.amount - line.refunded_amount)
    cost = func.sum(product.cost * (line.quantity - line.refunded_quantity))
    costs = (
        select(order.session_id, order.currency, kept, cost)
        .select_from(lines.join(products, product.product_id == line.product_id))
        .where(of_these, product.cost.is_not(None), product.currency == order.currency)
        .group_by(order.session_id, order.currency)
    )
    for key, currency, amount, spent in connection.execute(costs):
        amounts = found[key].amounts[currency]
        amounts.costed, amounts.margin = int(amount), int(amount) - round(spent)


def _add_lists(connection: Connection, found: Mapping[int, _Session]) -> None:
    home = _homes(_near(connection, found))
    lists = [key for key, session in home.items() if session in found]
    columns = list_facts.c
    query = select(columns.list_id, columns.arm, columns.numbers).where(among(connection, columns.list_id, lists))
    for row in connection.execute(query.order_by(columns.generated_at, columns.list_id)):
        session = found[home[row.list_id]]
        numbers = MetricNumbers.from_json(row.numbers[ALL_ALGORITHMS])
        session.of_lists.add(numbers)
        session.arms.add(row.arm)
        for currency, (revenue, _, _) in numbers.amounts.items():
            session.amounts[currency].attributed += revenue


def _homes(near: Iterable[_Near]) -> dict[int, int]:
    """Return the session that each list was made in."""
    best: dict[int, _Near] = {}
    for each in near:
        if each.list_id not in best or each.closeness() < best[each.list_id].closeness():
            best[each.list_id] = each
    return {key: each.session_id for key, each in best.items()}


def _write(connection: Connection, found: Sequence[_Session]) -> None:
    if not found:
        return
    replace_rows(connection, session_facts, ["session_id"], [_row(each) for each in found])
    keys = [each.session_id for each in found]
    connection.execute(session_amounts.delete().where(among(connection, session_amounts.c.session_id, keys)))
    amounts = [
        {"session_id": each.session_id, "currency": currency, **vars(amount)}
        for each in found
        for currency, amount in sorted(each.amounts.items())
    ]
    if amounts:
        connection.execute(session_amounts.insert(), amounts)


def _row(each: _Session) -> dict[str, Any]:
    return {
        "session_id": each.session_id,
        "customer_id": each.customer_key,
        "started_at": each.started_at,
        "day": day_of(each.started_at),
        "segment": each.segment,
        "arm": arms_of_session(each.arms),
        "orders": each.orders,
        "units": each.units,
        **{name: each.of_lists.counts.get(name, 0) for name in (*OF_LISTS, "refunded")},
    }
