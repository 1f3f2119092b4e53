"""Recommendation ids for tests."""

from itertools import count

from shared.recommendation_tokens import Shopper, TokenKeys

KEYS = TokenKeys([bytes(32)])
_numbers = count(1)


def next_number() -> int:
    """Return a number for a recommendation that no other of this process has."""
    return next(_numbers)


def token(number: int, customer: str = "", visitor: str = "") -> str:
    """Return the id that a shop sees of a recommendation."""
    return KEYS.issue(number, Shopper(customer, visitor))
