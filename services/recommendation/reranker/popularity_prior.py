"""The popularity of products, as a factor for scores that do not depend on it."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.content import Content
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.algorithms.shopper_scores import ProductScores, ProductVectors, ShopperScores
from services.recommendation.reranker.model import BatchScorer

NEW_QUANTILE = 0.9
"""A product added after training has the popularity of this quantile of the popular products."""


def popularity_prior(popular: Algorithm | None, n: int) -> FloatArray:
    """Return the square root of each product's share of the popularity of the most popular product.

    Content similarity alone proposes products that nobody buys. On grocery data (held-out week, recall at 20 of
    products new to the shopper) it reaches 0.0001, times this prior 0.017; the reranker reaches 0.020 instead of 0.008.

    Returns
    -------
    ndarray of shape (n,), float32
        Above 0, at most 1. A product added after training has the `NEW_QUANTILE` of the others; 1 for all where no
        popularity is known.
    """
    shares = popular.overall if isinstance(popular, Popular) else np.empty(0, np.float32)
    positive = shares[shares > 0]
    if not len(positive):
        return np.ones(n, np.float32)
    new = np.full(n - len(shares), np.quantile(positive, NEW_QUANTILE), np.float32)
    prior: FloatArray = np.sqrt(np.concatenate([np.maximum(shares, positive.min()), new]) / positive.max())
    return prior.astype(np.float32)


class WithPopularityPrior:
    """The scores of the content algorithm times the popularity prior of the products."""

    def __init__(self, algorithm: Content, prior: FloatArray) -> None:
        self._algorithm = algorithm
        self._prior = prior
        self._vectors = ProductVectors.of_all(algorithm.embeddings, prior)

    def score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        """Return scores of shape (n_shoppers, n_products)."""
        return self._algorithm.score_many(shoppers) * self._prior

    def scores_of_many(self, shoppers: Sequence[Shopper]) -> list[ShopperScores]:
        """Return the same scores in sparse form, for each shopper."""
        return [*ProductScores.of_many([self._algorithm.scores_with(self._vectors, each) for each in shoppers])]


def batch_scorers(algorithms: Mapping[str, Algorithm], n_products: int) -> dict[str, BatchScorer]:
    """Return the algorithms as a page uses them: content with the popularity prior, the others as they are."""
    scorers: dict[str, BatchScorer] = {**algorithms}
    content = algorithms.get("content")
    if isinstance(content, Content):
        scorers["content"] = WithPopularityPrior(content, popularity_prior(algorithms.get("popular"), n_products))
    return scorers
