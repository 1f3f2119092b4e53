"""Recommendation ids for tests."""

from itertools import count

from shared.recommendation_tokens import LIST_BITS, Shopper, TokenKeys, number_at

KEYS = TokenKeys([bytes(32)])
_numbers = count(1 << LIST_BITS)


def next_number() -> int:
    """Return a number for the first recommendation of a list, which no other of this process has."""
    return number_at(next(_numbers), 1)


def token(number: int, customer: str = "", visitor: str = "") -> str:
    """Return the id that a shop sees of a recommendation."""
    return KEYS.issue(number, Shopper(customer, visitor))
