"""What the tests of metrics share: a shop with embeddings, costs and segments, and its facts and cells as values."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import numpy as np
from sqlalchemy import select, update

from services.feedback.attribution import Windows
from services.feedback.late_recommendations import apply_late
from services.feedback.metrics.projection import MetricsProjection
from services.feedback.response_projection import project
from shared.db import metric_marks, models, segments
from shared.db.engine import Database
from shared.db.log_consumer import LogConsumer
from shared.db.product_embeddings import store_embeddings
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList, log_recommendations
from shared.db.schema import (
    list_facts,
    metadata,
    metric_cell_amounts,
    metric_cell_products,
    metric_cells,
    products,
    session_amounts,
    session_facts,
)
from shared.db.segments import RFM, Segment
from shared.experiments.decision import Exposure
from shared.metric_numbers import MetricNumbers
from shared.recommendation_tokens import LIST_BITS, number_at
from tests.support.events import NOON
from tests.support.projecting import apply_all


def open_catalogue(database: Database, costs: dict[str, int], vectors: dict[str, tuple[float, ...]]) -> None:
    """Give products costs in minor units, and embeddings."""
    with database.write() as connection:
        keys = {row.external_id: row.product_id for row in connection.execute(select(products))}
        for name, cost in costs.items():
            connection.execute(update(products).where(products.c.external_id == name).values(cost=cost))
        matrix = np.array(list(vectors.values()), dtype=np.float32)
        store_embeddings(connection, "space", [keys[name] for name in vectors], matrix)
    models.save_model(database, "embedding_space", "space", b"space", {})


def put_into_segments(database: Database, names: dict[int, str]) -> None:
    """Put customers into segments."""
    with database.write() as connection:
        keys = segments.replace_segments(connection, [Segment(name, RFM, {}) for name in sorted(set(names.values()))])
        segments.replace_memberships(connection, {key: [(keys[name], 0.9)] for key, name in names.items()})


def recommend(
    database: Database,
    number: int,
    customer: int | None,
    items: list[tuple[int, str]],
    minutes: float,
    page: str = "HOME",
    placement: str = "",
    arms: Mapping[str, str] = MappingProxyType({}),
) -> list[int]:
    """Log a list of (product key, algorithm) made some minutes after noon; return the numbers of its items.

    `arms` are those that it belongs to by experiment.
    """
    list_id = (1 << LIST_BITS) + number
    packed = PackedItems.of([ListItem(place, key, 1.0, name) for place, (key, name) in enumerate(items, 1)])
    at = NOON + timedelta(minutes=minutes)
    met = [Exposure(experiment, arm, 1) for experiment, arm in arms.items()]
    new = NewList(list_id, "r", customer, page, at, packed, "hybrid", "model-1", placement, exposures=met)
    with database.write() as connection:
        log_recommendations(connection, [new])
    return [number_at(list_id, place) for place in range(1, len(items) + 1)]


def apply_feedback(database: Database, windows: Windows | None = None) -> None:
    """Apply the log, and what waited for lists, as the feedback agent does."""
    consumer = LogConsumer(database, "feedback", lambda c, events: project(c, events, windows or Windows()))
    consumer.apply()
    apply_late(database, windows or Windows())


def settle(database: Database, projection: MetricsProjection | None = None) -> None:
    """Apply everything by all consumers."""
    apply_all(database)
    apply_feedback(database)
    while (projection or MetricsProjection(database)).step():
        pass


def everything(database: Database) -> dict[str, list[Any]]:
    """Return all facts and cells as values that do not depend on the order in which they were made.

    Cells of nothing, which remain where all was taken off, are left out.
    """
    cells, products_of, amounts_of = metric_cells.c, metric_cell_products.c, metric_cell_amounts.c
    of_cell = [column for column in metric_cells.c if column.name != "cell_id"]
    names = [column.name for column in of_cell[:7]]
    with database.read() as connection:
        counts = [tuple(row) for row in connection.execute(select(*of_cell))]
        shown = select(
            *(cells[name] for name in names), products_of.product_id, products_of.shown, products_of.responded
        )
        money = select(*(cells[name] for name in names), *list(metric_cell_amounts.c)[1:])
        found = {
            "cells": [row for row in counts if any(row[7:])],
            "products": [
                tuple(row) for row in connection.execute(shown.join(metric_cells, cells.cell_id == products_of.cell_id))
            ],
            "amounts": [
                tuple(row)
                for row in connection.execute(money.join(metric_cells, cells.cell_id == amounts_of.cell_id))
                if any(row[8:])
            ],
            "sessions": [tuple(row) for row in connection.execute(select(session_facts))],
            "session_amounts": [tuple(row) for row in connection.execute(select(session_amounts))],
            "lists": [
                (
                    row.list_id,
                    row.customer_id,
                    row.segment,
                    sorted((name, repr(MetricNumbers.from_json(each))) for name, each in row.numbers.items()),
                )
                for row in connection.execute(select(list_facts))
            ],
        }
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def from_scratch(database: Database) -> dict[str, list[Any]]:
    """Empty facts and cells, make them anew from the tables, and return `everything`."""
    projection = MetricsProjection(database)
    with database.write() as connection:
        for table in (metric_cells, list_facts, session_facts, metadata.tables["metric_marks"]):
            connection.execute(table.delete())
        metric_marks.mark_everything(connection)
    while projection.step():
        pass
    return everything(database)
