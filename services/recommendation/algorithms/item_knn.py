"""Item neighbourhoods: products with the same customers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import Csr, as_csr
from services.recommendation.algorithms.base import Interactions, Shopper
from services.recommendation.algorithms.checks import require_fraction, require_positive
from services.recommendation.algorithms.item_to_item import Evidence, ItemToItem, taste
from services.recommendation.algorithms.sparse import preferences, scaled, top_k_product, top_k_rows


@dataclass(eq=False)
class ItemKnn(ItemToItem):
    """Cosine neighbours over all products, on BM25-weighted preferences, shrunk where there is little support.

    similarity(i, j) = x_i · x_j / √((‖x_i‖² + shrink)(‖x_j‖² + shrink)), x_i the customers of i; long histories
    count less per product, as long documents do in BM25.

    Sources: Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001,
    doi:10.1145/371920.372071; BM25: Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009,
    doi:10.1561/1500000019

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "item_knn"

    top_k: int = 100
    """Neighbours kept for each product."""
    shrink: float = 20.0
    """Added to squared norms, in squared confidence units; larger distrusts rare products more."""
    k1: float = 1.2
    """BM25 saturation of a preference; larger saturates later."""
    b: float = 0.5
    """BM25 length normalisation, 0 to 1: how much a long history counts less."""
    half_life_days: float = 120.0
    """Time after which an event counts half, in days."""
    max_history: int = 400
    """Products of one customer that count, in training and in scoring: the strongest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(top_k=self.top_k, shrink=self.shrink, k1=self.k1, max_history=self.max_history)
        require_positive(half_life_days=self.half_life_days)
        require_fraction(b=self.b)

    def _fit(self, data: Interactions) -> None:
        x = top_k_rows(preferences(data, self.half_life_days), self.max_history)
        x = bm25(x, self.k1, self.b)
        norms = np.sqrt(np.bincount(x.indices, x.data**2, x.shape[1]) + self.shrink)
        x = scaled(x, columns=(1.0 / norms).astype(np.float32))
        self.neighbours = top_k_product(as_csr(x.T), x, self.top_k, drop_diagonal=True)

    def _evidence(self, shopper: Shopper) -> Evidence:
        return taste(shopper, self.half_life_days, self.max_history)


def bm25(x: Csr, k1: float, b: float) -> Csr:
    """Return preferences saturated and normalised by the length of the customer's history, as BM25 does terms."""
    lengths = np.diff(x.indptr)
    relative = lengths / max(float(lengths.mean()) if len(lengths) else 0.0, 1.0)
    penalty = np.repeat(k1 * (1.0 - b + b * relative), lengths).astype(np.float32)
    weighted = x.copy()
    weighted.data = x.data * np.float32(k1 + 1.0) / (x.data + penalty)
    return weighted
