"""The event feedback of the reranker over a real database: what shoppers click of what they are shown turns the page.

The shop is that of `shown_shop`: purchases say nothing of a taste for fresh products, clicks on shown lists do.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from services.recommendation.evaluation.io.database import split_database
from services.recommendation.request import Page
from services.recommendation.training import train
from services.recommendation.training.parameters import tuned_algorithms
from services.recommendation.training.train import run
from shared.db.customers import resolve_customers
from shared.db.engine import Database
from shared.db.products import product_keys
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList, log_recommendations, mark_clicked, mark_shown, new_writer
from shared.db.shown_lists import ShownLimits
from shared.jobs import ProgressReporter
from shared.recommendation_tokens import RecommendationNumbers, number_at
from tests.contract.algorithms.synthetic_data import NOW
from tests.integration.recommendation.conftest import Shop
from tests.integration.recommendation.shop import act, bought
from tests.support.shop import add_customers, add_products
from tests.unit.recommendation.training import shown_shop

RunAgent = Callable[[Database], AbstractContextManager[Shop]]
ASKED = 12
"""Customers whose pages are looked at."""


@pytest.fixture
def shop_with_lists(sqlite_database: Database) -> Database:
    """The shop, with what its customers bought and the lists that they saw."""
    add_products(sqlite_database, *[f"p{row}" for row in range(shown_shop.PRODUCTS)])
    add_customers(sqlite_database, *[f"c{row}" for row in range(shown_shop.CUSTOMERS)])
    data = shown_shop.interactions()
    orders = zip(data.customers[::2], data.products.reshape(-1, 2), data.times[::2], strict=True)
    act(
        sqlite_database,
        *[
            bought(f"c{customer}", *[f"p{row}" for row in dict.fromkeys(rows.tolist())], ago=_ago(moment))
            for customer, rows, moment in orders
        ],
    )
    log_shown_lists(sqlite_database)
    return sqlite_database


def _ago(moment: int) -> timedelta:
    return timedelta(seconds=int(NOW - moment) + 60)


def log_shown_lists(database: Database) -> None:
    """Log the lists of the shop as the recommendation agent does, and mark them as the feedback agent does."""
    shown, now = shown_shop.shown_lists(), datetime.now(UTC)
    with database.write() as connection:
        products = product_keys(connection, [f"p{row}" for row in range(shown_shop.PRODUCTS)])
        customers = resolve_customers(connection, [f"c{row}" for row in range(shown_shop.CUSTOMERS)])
        numbers = RecommendationNumbers(new_writer(connection))
        new, seen, clicked = [], {}, {}
        for place in range(len(shown)):
            items = np.flatnonzero(shown.owners == place)
            number, moment = numbers.take(), now - _ago(int(shown.times[place]))
            listed = [
                ListItem(int(shown.positions[item]), products[f"p{shown.products[item]}"], 0.5, "ease")
                for item in items.tolist()
            ]
            listed.sort(key=lambda item: item.position)
            customer = customers[f"c{shown.customers[place]}"]
            new.append(NewList(number, "r", customer, Page.HOME.value, moment, PackedItems.of(listed), "hybrid", "v1"))
            keys = {number_at(number, int(shown.positions[item])): shown.grades[item] > 0 for item in items.tolist()}
            seen |= dict.fromkeys(keys, moment)
            clicked |= {key: moment for key, chosen in keys.items() if chosen}
        log_recommendations(connection, new)
        mark_shown(connection, seen)
        mark_clicked(connection, clicked)


def trained(database: Database, lists: ShownLimits) -> dict[str, Any]:
    return run(database, ProgressReporter(write=lambda _: None), threads=1, params=shown_shop.QUICK, lists=lists)


def share_of_fresh(shop: Shop) -> float:
    """Return the share of fresh products on the first places of some customers' start pages."""
    pages = [shop.ids(f"c{number}", limit=10) for number in range(ASKED)]
    return float(np.mean([int(product.removeprefix("p")) % 2 for page in pages for product in page]))


def test_what_is_clicked_turns_the_page_and_without_the_lists_it_does_not(
    shop_with_lists: Database, run_agent: RunAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = tuple(type(each) for each in shown_shop.algorithms())
    monkeypatch.setattr(train, "tuned_algorithms", lambda params: tuned_algorithms(params, few))
    without = trained(shop_with_lists, ShownLimits(0, 90))
    with run_agent(shop_with_lists) as opened:
        before = share_of_fresh(opened)
    with_lists = trained(shop_with_lists, ShownLimits())
    with run_agent(shop_with_lists) as opened:
        after = share_of_fresh(opened)

    assert without["shown_lists"]["lists"] == 0
    assert without["evaluation"]["discovery"]["event_feedback"].startswith("not used: 0 lists")
    facts = with_lists["shown_lists"]
    assert facts["lists"] == len(shown_shop.shown_lists())
    assert facts["with_response"] == int(shown_shop.shown_lists().answered.sum())
    assert facts["position_bias"]["HOME"]["method"] == "interventions"
    assert 0 < facts["seconds"] < with_lists["seconds"]
    assert with_lists["evaluation"]["discovery"]["event_feedback"].startswith("learned from ")
    split = split_database(shop_with_lists, by_session=False)
    assert split.shown is not None
    assert len(split.shown) == facts["lists"]
    assert before < 0.7
    assert after > before + 0.15
