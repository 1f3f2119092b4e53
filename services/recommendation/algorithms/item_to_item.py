"""Base class of the algorithms that score by an item-to-item matrix. They store nothing per customer."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm, Reason, Shopper
from services.recommendation.algorithms.reasons import from_sources, strongest
from services.recommendation.algorithms.row_steps import SparseMatrix, floats, row_weights
from services.recommendation.algorithms.row_sums import given_to
from services.recommendation.algorithms.shopper_scores import FewScores, ShopperScores
from services.recommendation.algorithms.sparse import combine, stacked
from services.recommendation.algorithms.user_profile import UserProfile


@dataclass(eq=False)
class ItemToItem(Algorithm):
    """Scores a product by the weighted sum of its similarities to the products in the shopper's profile.

    Scoring reads only the matrix rows of the products in the profile. A new click is part of the next profile, so it
    changes the next scores without training.
    """

    neighbours: SparseMatrix = field(init=False, repr=False)
    """Learned: sparse matrix of shape (n_products, n_products), float32: row is the source, column the target."""

    @abstractmethod
    def _user_profile(self, shopper: Shopper) -> UserProfile:
        """Return the rows of the source products, each once, and their weights."""

    def _score(self, shopper: Shopper) -> FloatArray:
        return np.maximum(combine(floats(self.neighbours), *self._user_profile(shopper)).dense(), 0.0)

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        return FewScores.of_rows(self.neighbours, *self._user_profile(shopper))

    def _score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        profiles = stacked([self._user_profile(shopper) for shopper in shoppers], self.n_products)
        scores = (profiles @ floats(self.neighbours)).toarray()
        return np.maximum(scores, 0.0, out=scores)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        sources, values = self._given(shopper, product)
        if values.sum() <= 0.0:
            return None
        return self._reason_from(shopper, strongest(sources, values))

    def _reason_from(self, shopper: Shopper, sources: tuple[int, ...]) -> Reason:
        return from_sources(shopper, sources)

    def _given(self, shopper: Shopper, product: int) -> UserProfile:
        """Return the shopper's products and the contribution of each to the score of `product`."""
        rows, weights = self._user_profile(shopper)
        near = self.neighbours
        return rows, given_to(near.indptr, near.indices, near.data, rows, row_weights(near, rows, weights), product)
