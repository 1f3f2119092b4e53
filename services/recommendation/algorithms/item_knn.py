"""Item k-nearest neighbours: scores products by their cosine similarity to the shopper's products."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import Csr, as_csr
from services.recommendation.algorithms.base import Interactions, Space
from services.recommendation.algorithms.checks import require_fraction, require_positive
from services.recommendation.algorithms.item_to_item import ItemToItem
from services.recommendation.algorithms.sparse import evened, scaled, top_k_product, top_k_rows
from services.recommendation.algorithms.user_profile import UserProfileMixin


@dataclass(eq=False)
class ItemKnn(UserProfileMixin, ItemToItem):
    """Cosine neighbours of each product; customers with long histories count less, and rare products are shrunk.

    similarity(i, j) = x_i · x_j / √((‖x_i‖² + shrink)(‖x_j‖² + shrink)), where x_i holds the preferences of all
    customers for product i. Each preference is divided by
    (number of the customer's products / mean number)^length_power.

    Sources: Sarwar et al., "Item-based collaborative filtering recommendation algorithms", WWW 2001,
    doi:10.1145/371920.372071; division by history length: Deshpande & Karypis, "Item-based top-N recommendation
    algorithms", ACM TOIS 2004, doi:10.1145/963770.963776

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "item_knn"
    space: ClassVar[Space] = {
        "shrink": (5.0, 10.0, 20.0, 50.0, 100.0),
        "length_power": (0.0, 0.25, 0.5, 0.75, 1.0),
        "half_life_days": (30.0, 60.0, 120.0, 240.0, 480.0),
        "top_k": (100, 200, 400),
    }

    top_k: int = 200
    """Neighbours kept for each product."""
    shrink: float = 20.0
    """Added to squared norms, in events (the mean square of the preferences is 1).

    A larger value lowers the similarities of rare products.
    """
    length_power: float = 0.5
    """Exponent of the history length by which a customer's preferences are divided, 0 to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(top_k=self.top_k, shrink=self.shrink)
        require_fraction(length_power=self.length_power)

    def _fit(self, data: Interactions) -> None:
        x = top_k_rows(self._learn_preferences(data), self.max_history)
        x = length_normalised(evened(x), self.length_power)
        norms = np.sqrt(np.bincount(x.indices, x.data**2, x.shape[1]) + self.shrink)
        x = scaled(x, columns=(1.0 / norms).astype(np.float32))
        self.neighbours = top_k_product(as_csr(x.T), x, self.top_k, drop_diagonal=True)


def length_normalised(x: Csr, power: float) -> Csr:
    """Return `x` with each row divided by (its number of entries / the mean number)^power."""
    lengths = np.maximum(np.diff(x.indptr), 1).astype(np.float64)
    mean = float(lengths.mean()) if len(lengths) else 1.0
    return scaled(x, rows=((lengths / mean) ** -power).astype(np.float32))
