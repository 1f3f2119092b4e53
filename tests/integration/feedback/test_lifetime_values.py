"""Histories are read by day and currency; what is predicted is stored, and asked for as a metric."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from services.feedback.agent import FeedbackAgent
from services.feedback.attribution import Windows
from services.feedback.lifetime_values import job
from services.feedback.lifetime_values.model import Histories, Predicted
from services.feedback.metrics.question import MetricQuestion
from shared.config import Settings
from shared.db import lifetime_values, visitors
from shared.db.engine import Database
from shared.db.lifetime_values import PurchaseHistory
from shared.errors import FailedPrecondition
from shared.jobs import ProgressReporter
from tests.integration.feedback.metrics.stores import put_into_segments
from tests.support.events import NOON, add_customers, add_products, event, happened, purchase, refund, rows

DAY = 24 * 60
NOW = NOON + timedelta(days=20)


@pytest.fixture
def shop(database: Database) -> Database:
    """Ann buys on three days, twice on the last; bob once and, wholly given back, again; the visitor v never."""
    add_products(database, {"tea": (100, "USD")})
    keys = add_customers(database, "ann", "bob")
    happened(
        database,
        purchase("ann", "o1", [("tea", 1, 1000)]),
        purchase("ann", "o2", [("tea", 1, 300)], 4 * DAY),
        purchase("ann", "o3", [("tea", 1, 200)], 10 * DAY),
        purchase("ann", "o4", [("tea", 1, 300)], 10 * DAY + 5),
        purchase("bob", "o5", [("tea", 1, 700)], 2 * DAY),
        purchase("bob", "o6", [("tea", 1, 700)], 3 * DAY),
        refund("bob", "o6"),
    )
    put_into_segments(database, {keys["ann"]: "champions"})
    return database


def test_a_history_is_of_days_with_orders(shop: Database) -> None:
    with shop.read() as connection:
        found = lifetime_values.histories(connection, NOW)
    # Repeats of ann: 300 on the 4th day, 500 on the 10th.
    assert found == {"USD": [PurchaseHistory(1, 2, 10, 20, 400.0), PurchaseHistory(2, 0, 0, 18, 0.0)]}


def predicted(histories: Histories, days: int) -> Predicted:
    """Stand for the library: everybody spends 10 a day."""
    everybody = np.ones(len(histories.repeats))
    return Predicted(everybody, everybody / 2, 1000.0 * days * everybody, {"r": 1.0})


def test_predictions_are_stored_and_asked_for_by_segment(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(job, "predict", predicted)
    result = job.predict_all(shop, 2, ProgressReporter(said.append), NOW)
    assert result == {"days": 2, "currencies": {"USD": {"customers": 2, "mean": 2000, "parameters": {"r": 1.0}}}}
    assert [json.loads(each)["stage"] for each in said] == ["reading orders", "predicting in USD"]
    assert [(row["customer_id"], row["value"], row["alive"]) for row in rows(shop, "lifetime_values")] == [
        (1, 2000, 0.5),
        (2, 2000, 0.5),
    ]
    assert values(shop) == {("", "USD"): 2000.0}
    assert values(shop, by=["segment"]) == {("", "USD"): 2000.0, ("champions", "USD"): 2000.0}
    assert values(shop, by=["segment"], only=[("segment", ["champions"])]) == {("champions", "USD"): 2000.0}
    assert values(shop, only=[("segment", ["new"])]) == {}


def values(database: Database, **asked: Any) -> dict[tuple[str, str], float | None]:
    question = MetricQuestion(["predicted_lifetime_value"], **asked)
    found = FeedbackAgent(database, Windows(), lambda: NOW).metrics(question).values
    return {("".join(each.group), each.currency): each.figure.value for each in found}


def test_where_nothing_can_be_predicted_it_is_said(shop: Database) -> None:
    settings = Settings(_env_file=None, database_url=shop.url)
    with pytest.raises(FailedPrecondition, match="1 customers bought again: it takes 50"):
        job.work(365, settings, ProgressReporter(lambda _: None))


def test_a_visitor_who_logs_in_takes_no_prediction_along(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    happened(shop, event("", visitor="v", home_view={}))
    monkeypatch.setattr(job, "predict", predicted)
    job.predict_all(shop, 2, ProgressReporter(lambda _: None), NOW)
    with shop.write() as connection:
        theirs = lifetime_values.Prediction(3, 1, 1.0, 1.0)
        lifetime_values.replace_predictions(connection, "EUR", [theirs], 2, NOW)
        visitors.merge(connection, 3, 1)
    assert {row["currency"] for row in rows(shop, "lifetime_values")} == {"USD"}
