"""The common part of algorithms that model a choice of products densely."""

from dataclasses import dataclass, field

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Rows
from services.recommendation.algorithms.base import Shopper
from services.recommendation.algorithms.taste import Tasting


@dataclass(eq=False)
class Modelled(Tasting):
    """Knows some products, the slots, and has no opinion on the others."""

    kept: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_kept,), int32: product row of each slot, ascending."""
    slots: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), int32: slot of each product, -1 for none."""

    def _keep(self, kept: Rows, n_products: int) -> None:
        self.kept = kept.astype(np.int32)
        self.slots = np.full(n_products, -1, dtype=np.int32)
        self.slots[self.kept] = np.arange(len(self.kept))

    def _known(self, shopper: Shopper) -> tuple[Rows, FloatArray, Rows]:
        """Return slots, preferences and product rows of the shopper's products that are modelled."""
        rows, values = self._evidence(shopper)
        slots = self.slots[rows]
        known = slots >= 0
        return slots[known], values[known], rows[known]

    def _spread(self, scores: FloatArray) -> FloatArray:
        """Return scores of slots, shape (b, n_kept), as scores of products, shape (b, n_products)."""
        spread = np.zeros((len(scores), len(self.slots)), dtype=np.float32)
        spread[:, self.kept] = scores
        return spread
