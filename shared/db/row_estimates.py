"""How many rows the main tables have, at a cost that does not grow with them."""

from sqlalchemy import Connection, Table, func, inspect, select, text

from shared.db.engine import Database
from shared.db.schema import (
    browsing_history,
    customers,
    event_log,
    products,
    purchases,
    recommendation_lists,
    recommendations,
)

MAIN_TABLES = (customers, products, purchases, browsing_history, recommendation_lists, recommendations, event_log)
MOST_COUNTED = 10_000
_WITH_GAPS = (recommendation_lists, recommendations)
"""Tables whose keys do not count up by one."""


def row_estimates(database: Database) -> dict[str, int]:
    """Return the number of rows of the main tables, by table: exact up to 10,000, an estimate beyond.

    The estimate is that of the database's statistics, which the maintenance renews, or what the range of keys says,
    whichever is more.
    """
    with database.read() as connection:
        known = _statistics(connection)
        return {table.name: _rows(connection, table, known.get(table.name, 0)) for table in MAIN_TABLES}


def _rows(connection: Connection, table: Table, known: int) -> int:
    [key] = table.primary_key.columns
    some = select(key).limit(MOST_COUNTED + 1).subquery()
    counted = int(connection.execute(select(func.count()).select_from(some)).scalar_one())
    if counted <= MOST_COUNTED:
        return counted
    if table in _WITH_GAPS:
        return max(counted, known)
    first, last = (connection.execute(select(end(key))).scalar_one() for end in (func.min, func.max))
    return max(counted, known, int(last) - int(first) + 1)


def _statistics(connection: Connection) -> dict[str, int]:
    if connection.dialect.name == "postgresql":
        rows = connection.execute(text("SELECT relname, reltuples FROM pg_class WHERE relkind = 'r'"))
        return {name: int(count) for name, count in rows}
    if not inspect(connection).has_table("sqlite_stat1"):
        return {}
    rows = connection.execute(text("SELECT tbl, MAX(CAST(stat AS INTEGER)) FROM sqlite_stat1 GROUP BY tbl"))
    return {name: int(count or 0) for name, count in rows}
