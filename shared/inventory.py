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

NOT_BUYABLE, ON_ORDER, NOW = 0, 1, 2
"""What a status means for recommending, as a column of numbers keeps it."""


def stock_of(status: str, recommendable: bool = True) -> int:
    """Return NOT_BUYABLE, ON_ORDER or NOW; what the platform does not want recommended counts as not buyable."""
    if status not in BUYABLE or not recommendable:
        return NOT_BUYABLE
    return NOW if status == IN_STOCK else ON_ORDER
