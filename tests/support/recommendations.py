"""Logged recommendations for tests."""

from datetime import datetime

from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList
from shared.recommendation_tokens import list_number, position_in_list


def list_of_one(
    number: int, customer: int | None, product: int, at: datetime, algorithm: str = "ease", score: float = 0.5
) -> NewList:
    """Return a list with the one recommendation that has a number."""
    items = PackedItems.of([ListItem(position_in_list(number), product, score, algorithm)])
    return NewList(list_number(number), "r", customer, "HOME", at, items)
