"""Aggregates of what came of recommendations: sums by day, placement, page type, algorithm, segment, arm and model.

They are kept by adding what a list's fact has become and taking off what it was. Only who holds the cursor of the
metrics writes them.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, select, tuple_, update

from shared.db.batches import batches
from shared.db.engine import insert_into
from shared.db.list_facts import ListDimensions
from shared.db.schema import metric_cell_amounts, metric_cell_products, metric_cells
from shared.db.types import EPOCH
from shared.metric_numbers import COUNTS, MetricNumbers

DAY = timedelta(days=1)
KEYS_AT_ONCE = 70
"""Cells in one look-up; each has seven parameters."""


class Cell(NamedTuple):
    """What the numbers of a cell are summed by."""

    day: int
    placement: str
    page_type: str
    algorithm: str
    segment: str
    arm: str
    model_version: str

    @classmethod
    def of(cls, made_at: datetime, dimensions: ListDimensions, algorithm: str) -> "Cell":
        """Return the cell of a list's recommendations by one algorithm."""
        placement, page_type, *rest = dimensions
        return cls(day_of(made_at), placement, page_type, algorithm, *rest)


def day_of(moment: datetime) -> int:
    """Return the day of a moment in UTC, in days since 1970-01-01."""
    return (moment - EPOCH) // DAY


def start_of(day: int) -> datetime:
    """Return when a day begins."""
    return EPOCH + day * DAY


def add_to_cells(connection: Connection, differences: Mapping[Cell, MetricNumbers]) -> None:
    """Add numbers, which may be below 0, to cells; those that are not there yet are made."""
    changed = {cell: numbers for cell, numbers in sorted(differences.items()) if numbers}
    if not changed:
        return
    keys = _keys(connection, list(changed))
    by_key = {keys[cell]: numbers for cell, numbers in changed.items()}
    _add_counts(connection, by_key)
    _add_amounts(connection, by_key)
    _add_products(connection, by_key)


def _keys(connection: Connection, cells: Sequence[Cell]) -> dict[Cell, int]:
    insert = insert_into(connection, metric_cells).on_conflict_do_nothing()
    found = _known(connection, cells)
    fresh = [cell._asdict() for cell in cells if cell not in found]
    if fresh:
        connection.execute(insert, fresh)
        found |= _known(connection, [cell for cell in cells if cell not in found])
    return found


def _known(connection: Connection, cells: Sequence[Cell]) -> dict[Cell, int]:
    named = [metric_cells.c[name] for name in Cell._fields]
    found: dict[Cell, int] = {}
    for some in batches(cells, KEYS_AT_ONCE):
        rows = connection.execute(select(metric_cells.c.cell_id, *named).where(tuple_(*named).in_(some)))
        found |= {Cell(*values): key for key, *values in rows}
    return found


def _add_counts(connection: Connection, by_key: Mapping[int, MetricNumbers]) -> None:
    columns = metric_cells.c
    statement = (
        update(metric_cells)
        .where(columns.cell_id == bindparam("of"))
        .values({name: columns[name] + bindparam(f"more_{name}") for name in COUNTS})
    )
    rows = [
        {"of": key, **{f"more_{name}": numbers.counts.get(name, 0) for name in COUNTS}}
        for key, numbers in by_key.items()
    ]
    connection.execute(statement, rows)


def _add_amounts(connection: Connection, by_key: Mapping[int, MetricNumbers]) -> None:
    columns, names = metric_cell_amounts.c, ("revenue", "costed", "margin")
    rows = [
        {"cell_id": key, "currency": currency, **dict(zip(names, amounts, strict=True))}
        for key, numbers in by_key.items()
        for currency, amounts in numbers.amounts.items()
        if any(amounts)
    ]
    if rows:
        insert = insert_into(connection, metric_cell_amounts)
        added = {name: columns[name] + insert.excluded[name] for name in names}
        connection.execute(insert.on_conflict_do_update(index_elements=["cell_id", "currency"], set_=added), rows)


def _add_products(connection: Connection, by_key: Mapping[int, MetricNumbers]) -> None:
    columns = metric_cell_products.c
    rows = [
        {"cell_id": key, "product_id": product, "shown": shown, "responded": responded}
        for key, numbers in by_key.items()
        for product, (shown, responded) in sorted(numbers.products.items())
        if shown or responded
    ]
    if not rows:
        return
    insert = insert_into(connection, metric_cell_products)
    added = {name: columns[name] + insert.excluded[name] for name in ("shown", "responded")}
    connection.execute(insert.on_conflict_do_update(index_elements=["cell_id", "product_id"], set_=added), rows)
    fewer = {row["cell_id"] for row in rows if row["shown"] < 0}
    for some in batches(sorted(fewer)):
        connection.execute(metric_cell_products.delete().where(columns.cell_id.in_(some), columns.shown == 0))
