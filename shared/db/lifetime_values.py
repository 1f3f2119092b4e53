"""What customers are expected to spend: the histories that it is predicted from, and the predictions.

A transaction is a day with orders, because orders of one day are no independent visits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, func, select, type_coerce

from shared.db.bulk import insert_rows
from shared.db.metric_cells import DAY, day_of
from shared.db.metric_segments import NO_SEGMENT, segments_of
from shared.db.schema import lifetime_values, purchases
from shared.db.types import MICROSECOND, to_micros

_DAY = DAY // MICROSECOND


class PurchaseHistory(NamedTuple):
    """Days of a customer with orders that were not wholly given back.

    `repeats` are all but the first; `recency` is from the first to the last of them, `age` from the first to now, in
    days; `value` is the mean of the repeats in minor units, 0 without any.
    """

    customer_key: int
    repeats: int
    recency: int
    age: int
    value: float


class Prediction(NamedTuple):
    """What a customer is expected to spend in minor units, on how many days, and whether they buy still (0 to 1)."""

    customer_key: int
    value: int
    orders: float
    alive: float


@dataclass(frozen=True)
class MeanPrediction:
    """The mean of what some customers are expected to spend, over so many days, in minor units."""

    customers: int
    value: float


def histories(connection: Connection, now: datetime) -> dict[str, list[PurchaseHistory]]:
    """Return the histories of all customers by currency, ascending by customer."""
    order = purchases.c
    day = type_coerce(order.timestamp, BigInteger) // _DAY
    spent = func.sum(order.total_amount - order.refunded_amount)
    days = (
        select(order.customer_id, order.currency, day.label("day"), spent.label("spent"))
        .where(order.timestamp <= now)
        .group_by(order.customer_id, order.currency, day)
        .having(spent > 0)
        .order_by(order.customer_id, order.currency, day)
    )
    found: dict[str, dict[int, list[tuple[int, int]]]] = {}
    for customer, currency, on, amount in connection.execute(days):
        found.setdefault(currency, {}).setdefault(customer, []).append((int(on), int(amount)))
    today = day_of(now)
    return {
        currency: [_history(customer, each, today) for customer, each in sorted(customers.items())]
        for currency, customers in sorted(found.items())
    }


def replace_predictions(
    connection: Connection, currency: str, predictions: Sequence[Prediction], days: int, now: datetime
) -> None:
    """Store what customers are expected to spend over so many days, in place of what was predicted in the currency."""
    connection.execute(lifetime_values.delete().where(lifetime_values.c.currency == currency))
    at = to_micros(now)
    rows = [(each.customer_key, currency, *each[1:], days, at) for each in predictions]
    columns = ("customer_id", "currency", "value", "orders", "alive", "days", "predicted_at")
    insert_rows(connection, lifetime_values, columns, rows)


def mean_predictions(connection: Connection, *, by_segment: bool) -> dict[str, dict[str, MeanPrediction]]:
    """Return the mean of what is predicted by segment of today and currency; without segments, all under NO_SEGMENT."""
    columns = lifetime_values.c
    if not by_segment:
        query = select(columns.currency, func.count(), func.sum(columns.value)).group_by(columns.currency)
        found = connection.execute(query.order_by(columns.currency))
        whole = {currency: MeanPrediction(count, float(total) / count) for currency, count, total in found}
        return {NO_SEGMENT: whole} if whole else {}
    each_one = connection.execute(select(columns.customer_id, columns.currency, columns.value)).all()
    segments = segments_of(connection, {row.customer_id for row in each_one})
    sums: dict[str, dict[str, list[int]]] = {}
    for row in each_one:
        of_segment = sums.setdefault(segments.get(row.customer_id, NO_SEGMENT), {})
        of_segment.setdefault(row.currency, []).append(row.value)
    return {
        segment: {code: MeanPrediction(len(each), sum(each) / len(each)) for code, each in sorted(currencies.items())}
        for segment, currencies in sorted(sums.items())
    }


def _history(customer: int, days: Sequence[tuple[int, int]], today: int) -> PurchaseHistory:
    first, last, repeats = days[0][0], days[-1][0], len(days) - 1
    value = sum(amount for _, amount in days[1:]) / repeats if repeats else 0.0
    return PurchaseHistory(customer, repeats, last - first, today - first, value)
