"""How popular each product is in train: what several metrics beyond accuracy compare lists with."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask
from services.recommendation.algorithms.interactions import Interactions
from services.recommendation.holdout.metrics import Values
from services.recommendation.holdout.pairs import Pairs


@dataclass(frozen=True, eq=False)
class Popularity:
    """Popularity by customers: one who met a product ten times counts once.

    Parameters
    ----------
    counts : ndarray of shape (n_products,), int64
        Customers that met each product in train.
    n_customers : int
        Customers that met anything in train.
    """

    counts: Longs
    n_customers: int

    @classmethod
    def of(cls, train: Interactions) -> Self:
        """Return the popularity of the products in train."""
        met = Pairs.of(train)
        return cls(np.bincount(met.products, minlength=train.n_products), len(met.customers))

    @property
    def known(self) -> Mask:
        """The catalogue of an evaluation: the products that train saw, shape (n_products,)."""
        return self.counts > 0

    @property
    def information(self) -> Values:
        """Bits learned by hearing that a customer met the product: log2(customers / customers who met it).

        A product that train never saw counts as met by one customer.
        """
        bits: Values = np.log2(max(self.n_customers, 1) / np.maximum(self.counts, 1))
        return bits

    @property
    def relative(self) -> Values:
        """Customers of the product over those of the most popular one, from 0 to 1."""
        share: Values = self.counts / max(int(self.counts.max(initial=0)), 1)
        return share

    @property
    def percentile(self) -> Values:
        """Share of the catalogue that is less popular, equals counted half: near 0 for the rarest, near 1 on top."""
        ordered = np.sort(self.counts[self.known])
        below, upto = np.searchsorted(ordered, self.counts, "left"), np.searchsorted(ordered, self.counts, "right")
        middle: Values = (below + upto) / (2 * max(len(ordered), 1))
        return middle

    @property
    def typical(self) -> float:
        """Mean percentile of what customers met in train, each (customer, product) pair once; NaN without any."""
        total = int(self.counts.sum())
        return float(self.counts @ self.percentile) / total if total else float("nan")
