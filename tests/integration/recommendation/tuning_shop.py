"""A shop with enough customers to tune on: even ones buy even products, odd ones odd ones, all came back last week."""

from datetime import timedelta

from quintet.type.v1.event_pb2 import Event

from shared.db.engine import Database
from tests.integration.recommendation.shop import act, bought
from tests.support.shop import add_customers, add_products

CUSTOMERS = 70
PRODUCTS = 40
WEEKS = (10, 7, 4, 1)
"""Weeks ago of each customer's orders; the last tenth of the time begins after all but the last."""


def open_shop(database: Database) -> None:
    """Add products, customers and their orders, of two products each."""
    add_products(database, *[f"p{number}" for number in range(PRODUCTS)])
    add_customers(database, *[f"c{number}" for number in range(CUSTOMERS)])
    act(database, *[_order(number, week) for week in WEEKS for number in range(CUSTOMERS)])


def _order(number: int, week: int) -> Event:
    first = (number // 2 + 5 * week) % (PRODUCTS // 2)
    products = [f"p{2 * ((first + step) % (PRODUCTS // 2)) + number % 2}" for step in (0, 1)]
    return bought(f"c{number}", *products, ago=timedelta(weeks=week, hours=1, minutes=number))
