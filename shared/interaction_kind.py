"""The kinds of interactions, the same in the database, in training and in profiles."""

from enum import IntEnum


class Kind(IntEnum):
    """What a customer did with a product."""

    VIEW = 0
    CART = 1
    PURCHASE = 2
