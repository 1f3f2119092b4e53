"""The product embedding: text, categorical and numeric features, reduced to a space of few dimensions.

A customer embedding is a weighted sum of these vectors, so cosines between customers and products are meaningful.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.product.feature_encoders import CategoricalEncoder, Csr, FloatArray, NumericEncoder, TextEncoder
from services.product.features import ProductFeatures

__all__ = ["BLOCK_WEIGHTS", "EmbeddingSpace", "ProductFeatures", "State"]

State = tuple[dict[str, NDArray[Any]], dict[str, Any]]
"""A learned model: arrays by name, and JSON-able metadata."""

FORMAT = 1
MAX_TERMS = 20_000
CATEGORICAL = ("category", "subcategory", "brand")
NUMERIC = ("price", "rating")

BLOCK_WEIGHTS = {"text": 1.0, "category": 0.6, "subcategory": 1.0, "brand": 0.4, "price": 0.4, "rating": 0.2}
"""Factor of each block of features before the reduction; the rows of a block have at most length 1.

Text and subcategory have the largest factors, because they say most about what a product is. Brand, price and rating
distinguish products of the same kind.
"""


@dataclass(frozen=True, eq=False)
class EmbeddingSpace:
    """An embedding space, fitted on a population of products. Any product can be transformed into it.

    The features are reduced by truncated singular value decomposition (latent semantic analysis). Then each vector is
    scaled to length 1.

    Sources: Deerwester et al., "Indexing by latent semantic analysis", 1990,
    doi:10.1002/(SICI)1097-4571(199009)41:6<391::AID-ASI1>3.0.CO;2-9; Halko, Martinsson & Tropp, "Finding structure with
    randomness", 2011, doi:10.1137/090771806
    """

    text: TextEncoder
    categorical: dict[str, CategoricalEncoder]
    numeric: dict[str, NumericEncoder]
    components: FloatArray
    """Shape (features, dimensions); columns beyond the rank of the population are zero."""

    @property
    def dimensions(self) -> int:
        """Number of dimensions of every vector."""
        return int(self.components.shape[1])

    @classmethod
    def fit(
        cls, products: Sequence[ProductFeatures], dimensions: int = 64, seed: int = 0, max_terms: int = MAX_TERMS
    ) -> "EmbeddingSpace":
        """Learn vocabularies, scales and components from the whole population.

        Parameters
        ----------
        products
            At least one product. With fewer products than `dimensions` the remaining columns are zero.
        dimensions
            Number of dimensions of the vectors.
        seed
            Seed of the randomised decomposition; the same products and seed give the same space.
        max_terms
            Largest number of terms (words and pairs of words) in the vocabulary.

        Raises
        ------
        ValueError
            If there is no product, or `dimensions` is not positive.
        """
        if not products:
            raise ValueError("products: at least one is needed to fit a space, got none")
        if dimensions < 1:
            raise ValueError(f"dimensions: must be positive, got {dimensions}")
        text = TextEncoder.fit([product.text for product in products], max_terms)
        categorical = {name: CategoricalEncoder.fit(_labels(products, name)) for name in CATEGORICAL}
        numeric = {name: NumericEncoder.fit(_numbers(products, name)) for name in NUMERIC}
        features = _features(text, categorical, numeric, products)
        return cls(text, categorical, numeric, _components(features, dimensions, seed))

    def transform(self, products: Sequence[ProductFeatures]) -> FloatArray:
        """Return the vectors of `products`. Each row depends on its product and the fitted space only.

        Returns
        -------
        ndarray of shape (n, dimensions), float32
            Rows of length 1, or zeros for a product without known features. Never NaN.
        """
        features = _features(self.text, self.categorical, self.numeric, products)
        return _normalised(np.asarray(features @ self.components, dtype=np.float64))

    def state(self) -> State:
        """Return arrays and JSON-able metadata from which `load` restores the space."""
        arrays = {"components": self.components, "text.idf": self.text.idf}
        arrays |= {f"{name}.weights": block.weights for name, block in self.categorical.items()}
        metadata = {
            "format": FORMAT,
            "terms": list(self.text.terms),
            "values": {name: list(block.values) for name, block in self.categorical.items()},
            "scales": {name: [block.mean, block.deviation] for name, block in self.numeric.items()},
        }
        return arrays, metadata

    @classmethod
    def load(cls, state: State) -> "EmbeddingSpace":
        """Return the space whose `state()` is given.

        Raises
        ------
        ValueError
            If the state has another format.
        KeyError
            If an array or an entry is missing.
        """
        arrays, metadata = state
        if metadata.get("format") != FORMAT:
            raise ValueError(f"format: this version reads {FORMAT}, got {metadata.get('format')!r}")
        values, scales = metadata["values"], metadata["scales"]
        categorical = {name: CategoricalEncoder(tuple(values[name]), arrays[f"{name}.weights"]) for name in CATEGORICAL}
        numeric = {name: NumericEncoder(*scales[name]) for name in NUMERIC}
        return cls(
            TextEncoder(tuple(metadata["terms"]), arrays["text.idf"]), categorical, numeric, arrays["components"]
        )


def _labels(products: Sequence[ProductFeatures], name: str) -> list[str]:
    return [getattr(product, name) for product in products]


def _numbers(products: Sequence[ProductFeatures], name: str) -> NDArray[np.float64]:
    if name == "price":
        prices = [np.nan if product.price_minor is None else product.price_minor for product in products]
        return np.log1p(np.maximum(np.array(prices, dtype=np.float64), 0.0))
    return np.array([np.nan if product.rating is None else product.rating for product in products], dtype=np.float64)


def _features(
    text: TextEncoder,
    categorical: dict[str, CategoricalEncoder],
    numeric: dict[str, NumericEncoder],
    products: Sequence[ProductFeatures],
) -> Csr:
    """Return the concatenated blocks, each times its factor, shape (n, features)."""
    blocks = {"text": text.transform([product.text for product in products])}
    blocks |= {name: block.transform(_labels(products, name)) for name, block in categorical.items()}
    blocks |= {name: block.transform(_numbers(products, name)) for name, block in numeric.items()}
    return sp.csr_matrix(sp.hstack([BLOCK_WEIGHTS[name] * block for name, block in blocks.items()], format="csr"))


def _components(features: Csr, dimensions: int, seed: int) -> FloatArray:
    """Return the right singular vectors of the largest singular values, shape (features, dimensions).

    Columns beyond the rank are zero.
    """
    from sklearn.utils.extmath import randomized_svd  # the import takes a second of CPU time; only a refresh needs it

    rank = min(dimensions, *features.shape)
    _, values, vectors = randomized_svd(features, n_components=rank, n_iter=4, random_state=seed)
    vectors[values <= 1e-5 * max(float(values[0]), 1e-9)] = 0.0
    components = np.zeros((features.shape[1], dimensions), dtype=np.float32)
    components[:, :rank] = vectors.T
    return components


def _normalised(vectors: NDArray[np.float64]) -> FloatArray:
    """Scale rows to length 1; rows that are zero up to rounding become zeros."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
    unit = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-6)
    return np.asarray(unit, dtype=np.float32)
