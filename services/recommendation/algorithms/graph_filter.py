"""Graph filter: scores products by smoothing the shopper's profile over the bipartite customer-product graph."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, as_csr
from services.recommendation.algorithms.base import Interactions, Reason, Shopper, Space
from services.recommendation.algorithms.checks import require_not_negative, require_positive
from services.recommendation.algorithms.factors import ROUNDING, quantized, right_vectors, without_rounding
from services.recommendation.algorithms.item_to_item import ItemToItem
from services.recommendation.algorithms.reasons import from_sources, strongest
from services.recommendation.algorithms.row_steps import floats
from services.recommendation.algorithms.shopper_scores import FewScores, ProductVectors, ShopperScores, VectorScores
from services.recommendation.algorithms.sparse import inverse, scaled, stacked, top_k_product, top_k_rows
from services.recommendation.algorithms.user_profile import UserProfile, UserProfileMixin
from services.recommendation.algorithms.vector_search import given_by, sum_vectors


@dataclass(eq=False)
class GraphFilter(UserProfileMixin, ItemToItem):
    """Graph filtering (GF-CF): one linear step over shared customers plus an ideal low-pass filter.

    Let X be the preferences and R = D_c^−½ X D_p^−½, where D_c and D_p are the row and column sums. Let P be RᵀR with
    only the `top_k` largest entries of each row, and V the leading right singular vectors of R. The scores of a
    shopper with profile x are x P + smooth · x D_p^−½ V Vᵀ D_p^½. P keeps its diagonal, so a product in the profile
    also raises its own score.

    Source: Shen, Wu, Zhang, Shan, Zhang, Letaief & Li, "How powerful is graph convolution for recommendation?",
    CIKM 2021, doi:10.1145/3459637.3482264

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "graph_filter"
    sampled: ClassVar[bool] = True
    space: ClassVar[Space] = {
        "smooth": (0.0, 0.1, 0.2, 0.3, 0.5, 0.8),
        "half_life_days": (30.0, 60.0, 120.0, 240.0, 480.0),
        "top_k": (150, 300, 600),
    }

    top_k: int = 300
    """Neighbours kept for each product, including the product itself."""
    dimensions: int = 256
    """Number of singular vectors of the low-pass part; lowered if the data has fewer."""
    smooth: float = 0.3
    """Weight of the low-pass part; the step over shared customers has weight 1."""
    seed: int = 0
    """Seed of the randomised solver."""

    steps: NDArray[np.int8] = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products, d), int8: V in steps, as `quantized` returns them."""
    step_sizes: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: step size of each row of V."""
    degree: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: square root of each product's summed preferences, D_p^½."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(top_k=self.top_k, dimensions=self.dimensions)
        require_not_negative(smooth=self.smooth)

    def _fit(self, data: Interactions) -> None:
        x = top_k_rows(self._learn_preferences(data), self.max_history)
        self.degree = np.sqrt(np.bincount(x.indices, x.data, data.n_products)).astype(np.float32)
        customers = np.asarray(x.sum(axis=1), dtype=np.float32).ravel()
        r = scaled(x, rows=inverse(np.sqrt(customers)), columns=inverse(self.degree))
        self.steps, self.step_sizes = quantized(right_vectors(r, self.dimensions, self.seed))
        self.neighbours = top_k_product(as_csr(r.T), r, self.top_k)

    def _score(self, shopper: Shopper) -> FloatArray:
        scores: FloatArray = self._score_many([shopper])[0]
        return scores

    def _score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        profiles = stacked([self._user_profile(shopper) for shopper in shoppers], self.n_products)
        places = scaled(profiles, columns=self.smooth * inverse(self.degree)) @ self._factors
        scores: FloatArray = places @ self._factors.T
        scores *= self.degree
        scores += (profiles @ floats(self.neighbours)).toarray()
        return without_rounding(scores)

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        rows, values = self._user_profile(shopper)
        near = FewScores.of_rows(self.neighbours, rows, values)
        point = sum_vectors(self.steps, self.step_sizes, rows, self._smoothed(shopper))
        return VectorScores(point, self._vectors, ROUNDING, near)

    def _smoothed(self, shopper: Shopper) -> FloatArray:
        """Return the weights of the shopper's products in the low-pass part: smooth · x D_p^−½."""

        def of_profile() -> FloatArray:
            rows, values = self._user_profile(shopper)
            return np.float32(self.smooth) * values * inverse(self.degree[rows])

        return shopper.memo((self, "smoothed"), of_profile)

    @cached_property
    def _vectors(self) -> ProductVectors:
        return ProductVectors.of_all(self.steps, self.step_sizes * self.degree)

    @cached_property
    def _factors(self) -> FloatArray:
        """V as floats, shape (n_products, d), float32, for scoring many shoppers at once."""
        return self.steps * self.step_sizes[:, None]

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        rows, parts = self._parts(shopper, product)
        if parts.sum() < ROUNDING:
            return None
        others = np.where(rows == product, 0.0, parts)
        return from_sources(shopper, strongest(rows, others if (others > 0).any() else parts))

    def _parts(self, shopper: Shopper, product: int) -> UserProfile:
        """Return the shopper's products and the contribution of each to the score of `product`."""
        rows, given = self._given(shopper, product)
        reach = given_by(self.steps, self.step_sizes, rows, product) * self.degree[product]
        return rows, given + self._smoothed(shopper) * reach
