"""Inventory statuses of products, and what they mean for recommending."""

IN_STOCK, OUT_OF_STOCK, PREORDER, BACKORDER, DISCONTINUED = INVENTORY_STATUSES = (
    "IN_STOCK",
    "OUT_OF_STOCK",
    "PREORDER",
    "BACKORDER",
    "DISCONTINUED",
)
BUYABLE = (IN_STOCK, PREORDER, BACKORDER)
"""Statuses of products that may be recommended."""

NOT_RECOMMENDABLE, NOT_BUYABLE, ON_ORDER, NOW = -1, 0, 1, 2
"""What a status means for recommending, as a column of numbers keeps it. What is not recommendable is so everywhere;
another status may hold at a place."""


def stock_of(status: str, recommendable: bool = True) -> int:
    """Return NOT_RECOMMENDABLE, NOT_BUYABLE, ON_ORDER or NOW."""
    if not recommendable:
        return NOT_RECOMMENDABLE
    if status not in BUYABLE:
        return NOT_BUYABLE
    return NOW if status == IN_STOCK else ON_ORDER
