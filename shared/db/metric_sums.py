"""Sums that metrics are computed from, over a period of whole days, by any of their dimensions.

Every function returns what it found by the values of the dimensions asked for, in their order; a combination of which
there is nothing is missing. The database adds up: what comes back is as small as the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Float,
    FromClause,
    Select,
    Table,
    case,
    cast,
    distinct,
    func,
    literal,
    or_,
    select,
    type_coerce,
)

from shared.db.metric_cells import DAY, start_of
from shared.db.schema import (
    agent_samples,
    metric_cell_amounts,
    metric_cell_products,
    metric_cells,
    products,
    purchase_items,
    purchases,
    session_amounts,
    session_facts,
)
from shared.db.types import MICROSECOND
from shared.metric_numbers import ALL_ALGORITHMS, COUNTS

Group = tuple[Any, ...]
"""Values of dimensions; a day is a number of days since 1970-01-01."""
ALGORITHM, ARM, DAY_NAME = "algorithm", "arm", "day"
SECONDS = 1_000_000
"""Microseconds in a second."""


@dataclass(frozen=True)
class Selection:
    """Which rows are summed, and by what.

    Attributes
    ----------
    start, end : int
        First day, and the day after the last, in days since 1970-01-01 in UTC.
    by : sequence of str
        Dimensions.
    only : mapping of str to sequence of str
        Of dimensions, the values that count.
    """

    start: int
    end: int
    by: Sequence[str] = ()
    only: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class SessionSums:
    """Sums over customers (a session of who is forgotten stands for itself) of their sessions and orders."""

    customers: int
    sessions: int
    sessions_squared: float
    orders: int
    orders_squared: float
    sessions_orders: float
    buying_sessions: int


@dataclass(frozen=True)
class MoneySums:
    """Sums over customers of their money in a currency, in minor units, and of products of a customer's own sums.

    `net` is revenue less refunds; `sessions` are all sessions of those customers who spent anything.
    """

    customers: int
    orders: float
    gross: float
    refunded: float
    net: float
    costed: float
    margin: float
    attributed: float
    net_squared: float
    net_sessions: float
    net_orders: float
    orders_squared: float
    gross_squared: float
    refunded_squared: float
    gross_refunded: float


@dataclass(frozen=True)
class ProductSums:
    """Products that were shown, and recommendations of them that were responded to.

    The last two weigh each response with the popularity of its product, 0 to 1, and with the square of that.
    """

    products: int
    responded: int
    responded_popularity: float
    responded_popularity_squared: float


@dataclass(frozen=True)
class LifetimeSums:
    """Of customers who bought in the period: orders, what was kept of them, and the days from first to last order."""

    buyers: int
    orders: int
    net: int
    days: float


@dataclass(frozen=True)
class SystemSums:
    """How an agent answered: milliseconds, megabytes, busy cores, and answers over the seconds that samples cover."""

    p50_ms: float
    p99_ms: float
    memory_mb: float
    cpu_cores: float
    answers: int
    seconds: float


def session_sums(connection: Connection, selection: Selection) -> dict[Group, SessionSums]:
    """Return sums of sessions that began in the period, by segment, arm or day."""
    units = _units(selection).subquery()
    columns = units.c
    query = _grouped(
        units,
        selection,
        func.count(),
        func.sum(columns.sessions),
        _sum_of_products(columns.sessions, columns.sessions),
        func.sum(columns.orders),
        _sum_of_products(columns.orders, columns.orders),
        _sum_of_products(columns.sessions, columns.orders),
        func.sum(columns.buying),
    )
    return {
        group: SessionSums(int(row[0]), int(row[1]), row[2], int(row[3]), row[4], row[5], int(row[6]))
        for group, row in _by_group(connection, query, selection)
    }


def money_sums(connection: Connection, selection: Selection) -> dict[Group, dict[str, MoneySums]]:
    """Return sums of the money of sessions that began in the period, by group and currency."""
    money = _money(selection).subquery()
    counted = select(money, _sessions_of(money, selection).label("sessions")).subquery()
    columns, net = counted.c, counted.c.net
    query = _grouped(
        counted,
        selection,
        columns.currency,
        func.count(),
        *(func.sum(columns[name]) for name in ("orders", "gross", "refunded", "net", "costed", "margin", "attributed")),
        _sum_of_products(net, net),
        _sum_of_products(net, columns.sessions),
        _sum_of_products(net, columns.orders),
        _sum_of_products(columns.orders, columns.orders),
        _sum_of_products(columns.gross, columns.gross),
        _sum_of_products(columns.refunded, columns.refunded),
        _sum_of_products(columns.gross, columns.refunded),
    )
    found: dict[Group, dict[str, MoneySums]] = {}
    for group, (currency, customers, *rest) in _by_group(connection, query.group_by(columns.currency), selection):
        found.setdefault(group, {})[currency] = MoneySums(int(customers), *map(float, rest))
    return found


def cell_sums(connection: Connection, selection: Selection) -> dict[Group, dict[str, int]]:
    """Return sums of the aggregates of lists that were made in the period, by name of `COUNTS`."""
    query = _grouped(metric_cells, selection, *(func.sum(metric_cells.c[name]) for name in COUNTS))
    query = query.where(*_of_cells(selection))
    return {
        group: {name: int(value) for name, value in zip(COUNTS, row, strict=True)}
        for group, row in _by_group(connection, query, selection)
    }


def cell_amounts(connection: Connection, selection: Selection) -> dict[Group, dict[str, tuple[int, int]]]:
    """Return revenue and margin that are credited to lists made in the period, by group and currency."""
    money = metric_cell_amounts.c
    query = _grouped(metric_cells, selection, money.currency, func.sum(money.revenue), func.sum(money.margin))
    joined = metric_cells.join(metric_cell_amounts, money.cell_id == metric_cells.c.cell_id)
    query = query.select_from(joined).where(*_of_cells(selection)).group_by(money.currency)
    found: dict[Group, dict[str, tuple[int, int]]] = {}
    for group, (currency, revenue, margin) in _by_group(connection, query, selection):
        found.setdefault(group, {})[currency] = int(revenue), int(margin)
    return found


def product_sums(connection: Connection, selection: Selection, *, weighed: bool) -> dict[Group, ProductSums]:
    """Return sums over the products that were shown in lists made in the period.

    Popularity is the number of orders of the period that have the product, as a share of that of the most ordered
    product; it is read only if the responses are to be `weighed` with it.
    """
    key, shown = metric_cells.c, metric_cell_products.c
    joined = metric_cells.join(metric_cell_products, shown.cell_id == key.cell_id)
    each = (
        _grouped(metric_cells, selection, shown.product_id, func.sum(shown.responded).label("responded"))
        .select_from(joined)
        .where(*_of_cells(selection))
        .group_by(shown.product_id)
        .subquery()
    )
    responded = func.sum(each.c.responded)
    if not weighed:
        query = _grouped(each, selection, func.count(), responded, literal(0.0), literal(0.0))
    else:
        sales = _sales(selection).subquery()
        most = select(func.max(sales.c.orders)).scalar_subquery()
        popularity = func.coalesce(cast(sales.c.orders, Float) / most, 0.0)
        counted = each.outerjoin(sales, sales.c.product_id == each.c.product_id)
        weights = (func.sum(each.c.responded * popularity), func.sum(each.c.responded * popularity * popularity))
        query = _grouped(each, selection, func.count(), responded, *weights).select_from(counted)
    return {
        group: ProductSums(int(row[0]), int(row[1]), float(row[2]), float(row[3]))
        for group, row in _by_group(connection, query, selection)
    }


def catalogue_size(connection: Connection, selection: Selection) -> int:
    """Return how many products there are, those left out that were deleted before the period."""
    gone_at = products.c.deleted_at
    query = select(func.count()).select_from(products)
    query = query.where(or_(gone_at.is_(None), gone_at >= start_of(selection.start)))
    return int(connection.execute(query).scalar_one())


def lifetime_sums(connection: Connection, selection: Selection) -> dict[str, LifetimeSums]:
    """Return by currency what customers bought in the period, and for how long they have been buying up to its end."""
    order = purchases.c
    start, end = start_of(selection.start), start_of(selection.end)
    inside = (
        select(
            order.customer_id,
            order.currency,
            func.count().label("orders"),
            func.sum(order.total_amount - order.refunded_amount).label("net"),
        )
        .where(order.timestamp >= start, order.timestamp < end)
        .group_by(order.customer_id, order.currency)
        .subquery()
    )
    earlier = purchases.alias()
    theirs = (earlier.c.customer_id == inside.c.customer_id) & (earlier.c.currency == inside.c.currency)
    moment = type_coerce(earlier.c.timestamp, BigInteger)
    lives = (
        select(inside, (func.max(moment) - func.min(moment)).label("micros"))
        .join(earlier, theirs)
        .where(earlier.c.timestamp < end)
        .group_by(*inside.c)
        .subquery()
    )
    totals = (func.count(), func.sum(lives.c.orders), func.sum(lives.c.net), func.sum(cast(lives.c.micros, Float)))
    rows = connection.execute(select(lives.c.currency, *totals).group_by(lives.c.currency).order_by(lives.c.currency))
    day = DAY / MICROSECOND
    return {row[0]: LifetimeSums(int(row[1]), int(row[2]), int(row[3]), float(row[4]) / day) for row in rows}


def system_sums(connection: Connection, selection: Selection, agent: str) -> dict[Group, SystemSums]:
    """Return how an agent answered in the period, from the samples that are stored of it; only by day.

    Of each sample with answers counts the median weighed with its calls, and the highest 99th percentile: a mixture
    of samples has none above that. Memory is the highest of one process.
    """
    sample = agent_samples.c
    ended = type_coerce(sample.sampled_at, BigInteger)
    began = ended - sample.seconds * SECONDS
    query = select(
        func.sum(sample.p50_ms * sample.calls) / func.sum(sample.calls),
        func.max(sample.p99_ms),
        func.max(sample.memory_mb),
        func.sum(sample.cpu_cores * sample.seconds) / func.sum(sample.seconds),
        func.sum(sample.answers),
        (func.max(ended) - func.min(began)) / SECONDS,
    ).where(
        sample.agent == agent,
        sample.answers > 0,
        sample.sampled_at >= start_of(selection.start),
        sample.sampled_at < start_of(selection.end),
    )
    if selection.by:
        day = ended // (DAY // MICROSECOND)
        query = query.add_columns(day.label("day")).group_by(day).order_by(day)
    found: dict[Group, SystemSums] = {}
    for row in connection.execute(query):
        if row[4]:
            group = (int(row[6]),) if selection.by else ()
            p50, p99, memory, cores = map(float, row[:4])
            found[group] = SystemSums(p50, p99, memory, cores, int(row[4]), float(row[5]))
    return found


def _units(selection: Selection) -> Select[Any]:
    """Return a query of customers with their sessions and orders, by group."""
    fact = session_facts.c
    buying = func.sum(case((fact.orders > 0, 1), else_=0))
    unit = _unit()
    sums = (
        func.count().label("sessions"),
        func.sum(fact.orders).label("orders"),
        buying.label("buying"),
    )
    query = select(*_dimensions(session_facts, selection), unit.label("unit"), *sums)
    return query.where(*_chosen(session_facts, selection)).group_by(*_dimensions(session_facts, selection), unit)


def _money(selection: Selection) -> Select[Any]:
    """Return a query of customers with their money, by group and currency."""
    money, unit = session_amounts.c, _unit()
    names = ("orders", "refunded", "costed", "margin", "attributed")
    sums = (
        func.sum(money.revenue).label("gross"),
        func.sum(money.revenue - money.refunded).label("net"),
        *(func.sum(money[name]).label(name) for name in names),
    )
    dimensions = _dimensions(session_facts, selection)
    return (
        select(*dimensions, unit.label("unit"), money.currency, *sums)
        .select_from(session_facts.join(session_amounts, money.session_id == session_facts.c.session_id))
        .where(*_chosen(session_facts, selection))
        .group_by(*dimensions, unit, money.currency)
    )


def _sessions_of(money: FromClause, selection: Selection) -> ColumnElement[int]:
    """Return the number of sessions of each customer who spent anything: few, so each is looked up by an index."""
    fact = session_facts.alias()
    inside = (fact.c.started_at >= start_of(selection.start), fact.c.started_at < start_of(selection.end))
    # SQLite would look days up by their index, where each has very many sessions: of a sum it has none.
    same = [(fact.c[name] + 0 if name == DAY_NAME else fact.c[name]) == money.c[name] for name in selection.by]
    only = _only(fact, selection)
    counted = select(func.count()).select_from(fact).where(fact.c.customer_id == money.c.unit, *inside, *same, *only)
    return case((money.c.unit < 0, 1), else_=counted.correlate(money).scalar_subquery())


def _unit() -> ColumnElement[int]:
    return func.coalesce(session_facts.c.customer_id, -session_facts.c.session_id)


def _sales(selection: Selection) -> Select[Any]:
    """Return a query of products with the number of orders of the period that have them."""
    order, line = purchases.c, purchase_items.c
    inside = (order.timestamp >= start_of(selection.start), order.timestamp < start_of(selection.end))
    return (
        select(line.product_id, func.count(distinct(line.purchase_id)).label("orders"))
        .select_from(purchases.join(purchase_items, line.purchase_id == order.purchase_id))
        .where(*inside)
        .group_by(line.product_id)
    )


def _of_cells(selection: Selection) -> list[ColumnElement[bool]]:
    """Return the conditions of cells: of all algorithms together, unless it is asked for single ones."""
    conditions = _chosen(metric_cells, selection)
    if ALGORITHM not in selection.only:
        together = metric_cells.c.algorithm == ALL_ALGORITHMS
        conditions.append(~together if ALGORITHM in selection.by else together)
    return conditions


def _chosen(table: Table, selection: Selection) -> list[ColumnElement[bool]]:
    return [table.c.day >= selection.start, table.c.day < selection.end, *_only(table, selection)]


def _only(source: FromClause, selection: Selection) -> list[ColumnElement[bool]]:
    """Return the conditions that dimensions have the values that count.

    A row that belongs to arms of several experiments has all of them, joined by commas: each of them finds it.
    """
    found: list[ColumnElement[bool]] = []
    for name, values in sorted(selection.only.items()):
        column = source.c[name]
        condition: ColumnElement[bool] = column.in_(values)
        if name == ARM:
            joined = literal(",") + column + literal(",")
            condition = or_(condition, *(joined.contains(f",{each},", autoescape=True) for each in values if each))
        found.append(condition)
    return found


def _dimensions(source: FromClause, selection: Selection) -> list[ColumnElement[Any]]:
    return [source.c[name] for name in selection.by]


def _grouped(source: FromClause, selection: Selection, *values: Any) -> Select[Any]:
    dimensions = _dimensions(source, selection)
    return select(*dimensions, *values).group_by(*dimensions)


def _by_group(connection: Connection, query: Select[Any], selection: Selection) -> list[tuple[Group, Sequence[Any]]]:
    """Return the rows of a query as groups and values; without dimensions, none where nothing was summed."""
    count = len(selection.by)
    rows = sorted(((tuple(row[:count]), tuple(row[count:])) for row in connection.execute(query)), key=_first)
    return [(group, values) for group, values in rows if any(value is not None and value != 0 for value in values)]


def _first(row: tuple[Group, Sequence[Any]]) -> Group:
    return row[0]


def _sum_of_products(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[float]:
    """Return the sum of products as a float: of integers it could be too large for one."""
    return func.sum(cast(one, Float) * cast(other, Float))
