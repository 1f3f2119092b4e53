"""Content-based recommendation: scores products by the cosine between their embedding and the shopper's profile."""

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

    The profile and the products are vectors in the same space. So a product that was added after training can be
    scored as soon as it has an embedding: pass the current embeddings to `score_with`.

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
    """Time after which the weight of an event is halved, in days."""
    max_history: int = 200
    """Largest number of products in a shopper's profile; those with the largest weights are kept."""
    present_boost: float = 3.0
    """Factor for the weights of the products of this session, the product in view included."""

    embeddings: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products, d), float32: rows of length 1; a row of zeros means no embedding."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(present_boost=self.present_boost)

    def score_with(self, embeddings: FloatArray, shopper: Shopper) -> FloatArray:
        """Score the products of the current catalogue.

        Parameters
        ----------
        embeddings : ndarray of shape (n, d), float32
            Rows of length 1, as `unit_rows` returns them; a row of zeros means no embedding. Products that were added
            after training may be included.

        Returns
        -------
        ndarray of shape (n,), float32
            The cosine if it is positive, else 0.
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
        """Return the sparse scores of the current catalogue: cosine times the scale of each vector.

        The rows of `vectors` have length 1.
        """
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
        """Return the reason for `product` under the current `embeddings`, or None if its score is not positive.

        The reason is `SIMILAR_TO` if the product in view contributes most, else `FITS_YOUR_TASTE`.
        """
        rows, parts = self._parts(embeddings, shopper)
        gains = parts @ embeddings[product]
        if gains.sum() <= 0.0:
            return None
        sources = strongest(rows, gains)
        kind = ReasonKind.SIMILAR_TO if sources[0] == shopper.current else ReasonKind.FITS_YOUR_TASTE
        return Reason(kind, sources)

    def _profile(self, embeddings: FloatArray, shopper: Shopper) -> FloatArray:
        """Return the shopper's profile, shape (d,): a vector of length 1, or zeros if there is no profile."""
        profile: FloatArray = unit_rows(self._parts(embeddings, shopper)[1].sum(axis=0, keepdims=True))[0]
        return profile

    def _parts(self, embeddings: FloatArray, shopper: Shopper) -> tuple[Rows, FloatArray]:
        """Return the rows of the shopper's products and their weighted embeddings, shape (n, d)."""
        return shopper.memo((self, "parts", id(embeddings)), lambda: self._weighted(embeddings, shopper))

    def _weighted(self, embeddings: FloatArray, shopper: Shopper) -> tuple[Rows, FloatArray]:
        rows, weights = self._user_profile(shopper)
        boost = np.where(np.isin(rows, shopper.present), self.present_boost, 1.0)
        return rows, embeddings[rows] * (weights * boost).astype(np.float32)[:, None]


def unit_rows(embeddings: FloatArray) -> FloatArray:
    """Return `embeddings` as float32 with rows of length 1; a row of zeros or with a non-finite value becomes zeros."""
    clean = np.where(np.isfinite(embeddings).all(axis=1, keepdims=True), embeddings, 0.0).astype(np.float32)
    lengths = np.linalg.norm(clean, axis=1, keepdims=True)
    unit: FloatArray = np.divide(clean, lengths, out=np.zeros_like(clean), where=lengths > 0)
    return unit
