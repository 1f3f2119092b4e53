"""Masks of filter expressions asked for lately: the filter of a placement is evaluated once, not with each answer."""

import threading
from collections import OrderedDict
from weakref import WeakKeyDictionary

from shared.filters.columns import FilterColumns
from shared.filters.evaluation import Mask, evaluate
from shared.filters.tree import Expression

MOST_BYTES = 32_000_000
"""Bytes of the masks that are kept of the same products: a byte for each product and expression."""


class FilterMasks:
    """Masks by products and expression. Safe to call from several threads.

    Products are immutable: any change of the catalogue makes others, for which no mask is kept yet.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        # Weak: products that are no longer current must not stay in memory with their masks.
        self._masks: WeakKeyDictionary[FilterColumns, OrderedDict[Expression, Mask]] = WeakKeyDictionary()
        self._guard = threading.Lock()

    def of(self, expression: Expression, products: FilterColumns) -> Mask:
        """Return which products an expression holds for, shape (n,), bool. Not to be written to."""
        with self._guard:
            masks = self._masks.setdefault(products, OrderedDict())
            kept = masks.get(expression)
            if kept is not None:
                masks.move_to_end(expression)
                return kept
        mask = evaluate(expression, products)
        mask.flags.writeable = False
        with self._guard:
            masks[expression] = mask
            while len(masks) > 1 and len(masks) * len(mask) > self._most_bytes:
                masks.popitem(last=False)
        return mask
