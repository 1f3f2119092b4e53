"""Content: products like those the shopper met, in the space of the product embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Rows
from services.recommendation.algorithms.base import Interactions, Reason, ReasonKind, Shopper, Space
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.reasons import strongest
from services.recommendation.algorithms.shopper_scores import ProductVectors, ShopperScores, VectorScores
from services.recommendation.algorithms.user_profile import UserProfileMixin


@dataclass(eq=False)
class Content(UserProfileMixin):
    """Cosine between the shopper's profile and each product; the profile is a weighted sum of product embeddings.

    Shopper and products live in one space, so a product added a moment ago is scored like any other as soon as it has
    an embedding: pass the live embeddings to `score_with`.

    Source (Rocchio profiles): Pazzani & Billsus, "Content-based recommendation systems", The Adaptive Web 2007,
    doi:10.1007/978-3-540-72079-9_10

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "content"
    space: ClassVar[Space] = {
        "half_life_days": (7.0, 15.0, 30.0, 60.0, 120.0),
        "max_history": (20, 50, 100, 200),
    }

    half_life_days: float = 30.0
    """Time after which an event counts half, in days."""
    max_history: int = 200
    """Products of a shopper that count, the strongest."""
    present_boost: float = 3.0
    """How many times more a product of this session counts."""

    embeddings: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products, d), float32: unit rows, or zeros for none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(present_boost=self.present_boost)

    def score_with(self, embeddings: FloatArray, shopper: Shopper) -> FloatArray:
        """Score a live catalogue.

        Parameters
        ----------
        embeddings : ndarray of shape (n, d), float32
            Unit rows as `unit_rows` gives them, or zeros for none; may hold products that came after training.

        Returns
        -------
        ndarray of shape (n,), float32
            The cosine where it is positive, else 0.
        """
        shopper.require_within(len(embeddings))
        cosines: FloatArray = embeddings @ self._profile(embeddings, shopper)
        return np.maximum(cosines, 0.0)

    def _fit(self, data: Interactions) -> None:
        self.kind_weights = data.relative_weights
        self.embeddings = unit_rows(data.embeddings)

    def _score(self, shopper: Shopper) -> FloatArray:
        return self.score_with(self.embeddings, shopper)

    def scores_with(self, vectors: ProductVectors, shopper: Shopper) -> VectorScores:
        """Return the sparse scores of a live catalogue: cosine times the scale of `vectors`, whose rows are unit."""
        shopper.require_within(len(vectors.vectors))
        return VectorScores(self._profile(vectors.vectors, shopper), vectors, 0.0)

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        return self.scores_with(self._vectors, shopper)

    @cached_property
    def _vectors(self) -> ProductVectors:
        return ProductVectors.of_all(self.embeddings, np.ones(len(self.embeddings), np.float32))

    def _score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        profiles = np.zeros((len(shoppers), self.embeddings.shape[1]), dtype=np.float32)
        for row, shopper in zip(profiles, shoppers, strict=True):
            row[:] = self._profile(self.embeddings, shopper)
        cosines: FloatArray = profiles @ self.embeddings.T
        return np.maximum(cosines, 0.0, out=cosines)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        return self.explain_with(self.embeddings, shopper, product)

    def explain_with(self, embeddings: FloatArray, shopper: Shopper, product: int) -> Reason | None:
        """Return the reason under live `embeddings`: like the product in view, or fitting the shopper's preferences."""
        rows, parts = self._parts(embeddings, shopper)
        gains = parts @ embeddings[product]
        if gains.sum() <= 0.0:
            return None
        sources = strongest(rows, gains)
        kind = ReasonKind.SIMILAR_TO if sources[0] == shopper.current else ReasonKind.FITS_YOUR_TASTE
        return Reason(kind, sources)

    def _profile(self, embeddings: FloatArray, shopper: Shopper) -> FloatArray:
        """Return the shopper's place among the products, shape (d,): a unit vector, or zeros for none."""
        profile: FloatArray = unit_rows(self._parts(embeddings, shopper)[1].sum(axis=0, keepdims=True))[0]
        return profile

    def _parts(self, embeddings: FloatArray, shopper: Shopper) -> tuple[Rows, FloatArray]:
        """Return rows and weighted embeddings of the shopper's products."""
        return shopper.memo((self, "parts", id(embeddings)), lambda: self._weighted(embeddings, shopper))

    def _weighted(self, embeddings: FloatArray, shopper: Shopper) -> tuple[Rows, FloatArray]:
        rows, weights = self._user_profile(shopper)
        boost = np.where(np.isin(rows, shopper.present), self.present_boost, 1.0)
        return rows, embeddings[rows] * (weights * boost).astype(np.float32)[:, None]


def unit_rows(embeddings: FloatArray) -> FloatArray:
    """Return `embeddings` as float32 with rows of length 1; zero and non-finite rows become zero."""
    clean = np.where(np.isfinite(embeddings).all(axis=1, keepdims=True), embeddings, 0.0).astype(np.float32)
    lengths = np.linalg.norm(clean, axis=1, keepdims=True)
    unit: FloatArray = np.divide(clean, lengths, out=np.zeros_like(clean), where=lengths > 0)
    return unit
