"""Matrix factorisation with fold-in: scores products by projecting the shopper's profile onto singular vectors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Rows, as_csr
from services.recommendation.algorithms.base import Interactions, Reason, ReasonKind, Shopper, Space
from services.recommendation.algorithms.checks import require_fraction, require_positive
from services.recommendation.algorithms.factors import ROUNDING, quantized, right_vectors, without_rounding
from services.recommendation.algorithms.reasons import strongest
from services.recommendation.algorithms.shopper_scores import ProductVectors, ShopperScores, VectorScores
from services.recommendation.algorithms.sparse import scaled, stacked
from services.recommendation.algorithms.user_profile import UserProfileMixin
from services.recommendation.algorithms.vector_search import given_by, lengths_of, sum_vectors


@dataclass(eq=False)
class MatrixFactorization(UserProfileMixin):
    """Truncated singular value decomposition (SVD) of the preference matrix, with damped popularity.

    The columns are scaled by popularity^−damping first. V are the leading right singular vectors of the scaled matrix.
    The scores of a shopper with scaled profile x are x V Vᵀ. This fold-in has a closed form, so the model stores
    nothing per customer, and a new event counts at once.

    Sources: Cremonesi, Koren & Turrin, "Performance of recommender algorithms on top-N recommendation tasks" (PureSVD),
    RecSys 2010, doi:10.1145/1864708.1864721; scaling: Nikolakopoulos et al., "EigenRec", Knowledge and Information
    Systems 2019, doi:10.1007/s10115-018-1197-7; solver: Halko, Martinsson & Tropp 2011, doi:10.1137/090771806

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "matrix_factorization"
    sampled: ClassVar[bool] = True
    space: ClassVar[Space] = {
        "embedding_size": (32, 64, 128, 256),
        "damping": (0.0, 0.1, 0.2, 0.3, 0.4),
        "half_life_days": (15.0, 30.0, 60.0, 120.0, 240.0),
    }
    kept: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_kept,), int32: product row of each slot, in order of falling vector length."""
    slots: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), int32: slot of each product; -1 if it has no factors."""
    steps: NDArray[np.int8] = field(init=False, repr=False)
    """Learned: ndarray of shape (n_kept, embedding_size), int8: V in steps, as `quantized` returns them."""
    step_sizes: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_kept,), float32: step size of each row of V."""
    scale: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_kept,), float32: popularity^−damping."""

    embedding_size: int = 128
    """Dimensions of the latent space; lowered if the data has fewer."""
    damping: float = 0.2
    """Exponent by which popular products are scaled down, 0 (plain PureSVD) to 1."""
    min_customers: int = 2
    """Products with fewer customers get no factors, because these would be noise."""
    half_life_days: float = 60.0
    """Time after which the weight of an event is halved, in days."""
    max_history: int = 1000
    """Largest number of products in a shopper's profile; those with the largest weights are kept."""
    seed: int = 0
    """Seed of the randomised solver."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(embedding_size=self.embedding_size, min_customers=self.min_customers)
        require_fraction(damping=self.damping)

    def _fit(self, data: Interactions) -> None:
        x = self._learn_preferences(data)
        customers = np.bincount(x.indices, minlength=data.n_products)
        self.kept = np.flatnonzero(customers >= self.min_customers).astype(np.int32)
        self.slots = np.full(data.n_products, -1, dtype=np.int32)
        self.slots[self.kept] = np.arange(len(self.kept))
        self.scale = (customers[self.kept] ** -self.damping).astype(np.float32)
        damped = scaled(as_csr(x[:, self.kept]), columns=self.scale)
        self.steps, self.step_sizes = quantized(right_vectors(damped, self.embedding_size, self.seed))
        self._sort_by_length()

    def _sort_by_length(self) -> None:
        """Order the slots by falling vector length, so that the top-k search reads memory in order."""
        order = np.argsort(-lengths_of(self.steps, self.step_sizes), kind="stable")
        self.kept, self.scale, self.step_sizes = self.kept[order], self.scale[order], self.step_sizes[order]
        self.steps = np.ascontiguousarray(self.steps[order])
        self.slots[self.kept] = np.arange(len(self.kept))

    @cached_property
    def _factors(self) -> FloatArray:
        """V as floats, shape (n_kept, embedding_size), float32, for scoring many shoppers at once."""
        return self.steps * self.step_sizes[:, None]

    def _score(self, shopper: Shopper) -> FloatArray:
        scores: FloatArray = self._score_many([shopper])[0]
        return scores

    def _score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        profiles = stacked([self._known(shopper)[:2] for shopper in shoppers], len(self.kept))
        scores = np.zeros((len(shoppers), len(self.slots)), dtype=np.float32)
        scores[:, self.kept] = without_rounding((profiles @ self._factors) @ self._factors.T)
        return scores

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        slots, values, _ = self._known(shopper)
        return VectorScores(sum_vectors(self.steps, self.step_sizes, slots, values), self._vectors, ROUNDING)

    @cached_property
    def _vectors(self) -> ProductVectors:
        return ProductVectors(self.steps, self.step_sizes, self.kept, self.slots)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        slots, values, rows = self._known(shopper)
        slot = self.slots[product]
        if slot < 0:
            return None
        parts = values * given_by(self.steps, self.step_sizes, slots, slot)
        return Reason(ReasonKind.FITS_YOUR_TASTE, strongest(rows, parts)) if parts.sum() >= ROUNDING else None

    def _known(self, shopper: Shopper) -> tuple[Rows, FloatArray, Rows]:
        """Return the slots, scaled preferences and rows of those of the shopper's products that have factors."""
        rows, values = self._user_profile(shopper)
        slots = self.slots[rows]
        known = slots >= 0
        return slots[known], values[known] * self.scale[slots[known]], rows[known]
