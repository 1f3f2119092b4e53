"""How products do: what the recorded events say about one product or the best-selling ones over a period.

Periods include their start and exclude their end.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Connection, Select, case, func, literal, select, union_all

from shared.consent import ALL_PERMITTED, Permissions
from shared.db.consents import trains
from shared.db.schema import browsing_history, cart_items, products, purchase_items, purchases, recommendations
from shared.inventory import BUYABLE

BEST_SELLER_PERIOD = timedelta(days=30)
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class ProductPerformance:
    """One product over a period. `units_sold` and `revenue` (minor units by currency) have refunds taken off.

    `recommendations_shown` counts recommendations whose display, or click where no display was reported, lies in the
    period; `recommendations_clicked` those of them that were clicked, whenever that was.
    """

    views: int = 0
    cart_additions: int = 0
    purchases: int = 0
    units_sold: float = 0.0
    revenue: dict[str, int] = field(default_factory=dict)
    recommendations_shown: int = 0
    recommendations_clicked: int = 0

    @property
    def conversion_rate(self) -> float:
        """Purchases per view; 0 without views."""
        return self.purchases / self.views if self.views else 0.0

    @property
    def recommendation_ctr(self) -> float:
        """Clicks per recommendation shown, 0 to 1; 0 when never shown."""
        return self.recommendations_clicked / self.recommendations_shown if self.recommendations_shown else 0.0


class PopularProduct(NamedTuple):
    """A product that can be bought, with its purchase lines and views in a period."""

    key: int
    category: str
    purchases: int
    views: int


def performance(connection: Connection, key: int, start: datetime, end: datetime) -> ProductPerformance:
    """Return how a product did from `start` to `end`; zeros when nothing was recorded."""
    sales = _sales(connection, key, start, end)
    shown, clicked = _recommended(connection, key, start, end)
    return ProductPerformance(
        views=_count(connection, browsing_history, "view_time", key, start, end),
        cart_additions=_count(connection, cart_items, "added_timestamp", key, start, end),
        purchases=sum(row.lines for row in sales),
        units_sold=float(sum(row.units for row in sales)),
        revenue={row.currency: int(row.revenue) for row in sales},
        recommendations_shown=shown,
        recommendations_clicked=clicked,
    )


def best_sellers(
    connection: Connection,
    now: datetime,
    overall: int,
    per_category: int = 0,
    most: int | None = None,
    default: Permissions = ALL_PERMITTED,
) -> list[PopularProduct]:
    """Return the best-sellers of the 30 days before `now`; of all time where nothing happened in them.

    Best is what was bought most often, then viewed most, then came first into the catalogue; only products that can be
    bought and were bought or viewed. These are the first `overall` of all and the first `per_category` of each
    category. Where they are more than `most`, those go that come last in their categories. Events of shoppers who do
    not agree to `train` do not count; `default` says it of who has said nothing. Takes seconds on a large shop.
    """
    for start in (now - BEST_SELLER_PERIOD, BEGINNING):
        if found := _leading(connection, _popularity(start, now, default), overall, per_category, most):
            return found
    return []


def _leading(
    connection: Connection, popularity: Select[Any], overall: int, per_category: int, most: int | None
) -> list[PopularProduct]:
    counted = popularity.subquery()
    order = (counted.c.purchases.desc(), counted.c.views.desc(), counted.c.key)
    place = func.row_number().over(order_by=order).label("place")
    place_in_category = func.row_number().over(partition_by=counted.c.category, order_by=order).label("nth")
    ranked = select(counted, place, place_in_category).subquery()
    first = ranked.c.place <= overall
    chosen = (
        select(ranked)
        .where(first | (ranked.c.nth <= per_category))
        .order_by(case((first, 0), else_=ranked.c.nth), ranked.c.place)
        .limit(most)
    )
    rows = sorted(connection.execute(chosen), key=lambda row: row.place)
    return [PopularProduct(row.key, row.category, row.purchases, row.views) for row in rows]


def _count(connection: Connection, table: Any, moment: str, key: int, start: datetime, end: datetime) -> int:
    rows = select(func.count()).where(table.c.product_id == key, table.c[moment] >= start, table.c[moment] < end)
    return int(connection.execute(rows).scalar_one())


def _sales(connection: Connection, key: int, start: datetime, end: datetime) -> list[Any]:
    lines = purchase_items.c
    sales = (
        select(
            purchases.c.currency,
            func.count().label("lines"),
            func.sum(lines.quantity - lines.refunded_quantity).label("units"),
            func.sum(lines.amount - lines.refunded_amount).label("revenue"),
        )
        .join_from(purchase_items, purchases, purchases.c.purchase_id == lines.purchase_id)
        .where(lines.product_id == key, purchases.c.timestamp >= start, purchases.c.timestamp < end)
        .group_by(purchases.c.currency)
        .order_by(purchases.c.currency)
    )
    return list(connection.execute(sales))


def _recommended(connection: Connection, key: int, start: datetime, end: datetime) -> tuple[int, int]:
    columns = recommendations.c
    # A click without a reported display was displayed all the same.
    seen_at = func.coalesce(columns.shown_at, columns.clicked_at)
    seen = select(func.count(), func.count().filter(columns.was_clicked)).where(
        columns.product_id == key, columns.was_shown | columns.was_clicked, seen_at >= start, seen_at < end
    )
    shown, clicked = connection.execute(seen).one()
    return int(shown), int(clicked)


def _popularity(start: datetime, end: datetime, default: Permissions) -> Select[Any]:
    happened = _happened(start, end, default).subquery()
    return (
        select(
            products.c.product_id.label("key"),
            products.c.category,
            func.sum(happened.c.purchases).label("purchases"),
            func.sum(happened.c.views).label("views"),
        )
        .join_from(happened, products, products.c.product_id == happened.c.product_id)
        .where(products.c.inventory_status.in_(BUYABLE), products.c.recommendable)
        .group_by(products.c.product_id, products.c.category)
    )


def _happened(start: datetime, end: datetime, default: Permissions) -> CompoundSelect[Any]:
    """Return the purchase lines of the period by product, then the views; each product at most once in either."""
    bought = (
        select(purchase_items.c.product_id, func.count().label("purchases"), literal(0).label("views"))
        .join(purchases, purchases.c.purchase_id == purchase_items.c.purchase_id)
        .where(purchases.c.timestamp >= start, purchases.c.timestamp < end, trains(purchases.c.customer_id, default))
        .group_by(purchase_items.c.product_id)
    )
    viewed = (
        select(browsing_history.c.product_id, literal(0), func.count())
        .where(browsing_history.c.view_time >= start, browsing_history.c.view_time < end)
        .where(trains(browsing_history.c.customer_id, default))
        .group_by(browsing_history.c.product_id)
    )
    return union_all(bought, viewed)
