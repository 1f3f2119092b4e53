"""Related products: scores products by the similar and complementary relations that the product agent computed."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import Csr, FloatArray, Rows, as_csr
from services.recommendation.algorithms.base import Interactions, Reason, ReasonKind, Shopper
from services.recommendation.algorithms.checks import require_fraction, require_positive
from services.recommendation.algorithms.item_to_item import ItemToItem
from services.recommendation.algorithms.shopper import last_occurrences
from services.recommendation.algorithms.sparse import combine
from services.recommendation.algorithms.user_profile import UserProfile


@dataclass(eq=False)
class Similar(ItemToItem):
    """Products similar to those of the current session, as alternatives to them.

    The relation is given with the training data. The sources are the product in view with weight 1 and the products of
    the session before it; each earlier product has `decay` times the weight of the next. If the session is empty, the
    latest products of the history are used.

    Source: Linden, Smith & York, "Amazon.com recommendations: item-to-item collaborative filtering", IEEE Internet
    Computing 2003, doi:10.1109/MIC.2003.1167344
    """

    name: ClassVar[str] = "similar"

    decay: float = 0.6
    """Weight of a product relative to the product after it, 0 to 1."""
    last: int = 5
    """Number of source products; the latest are used."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_fraction(decay=self.decay)
        require_positive(last=self.last)

    def score_with(self, relations: Csr, shopper: Shopper) -> FloatArray:
        """Score by the current `relations`, csr_array of shape (n, n), instead of those given at training.

        Returns
        -------
        ndarray of shape (n,), float32
            Not negative; 0 means no score.
        """
        shopper.require_within(relations.shape[0])
        return np.maximum(combine(relations, *self._user_profile(shopper)).dense(), 0.0)

    def _fit(self, data: Interactions) -> None:
        self.neighbours = as_csr(data.similar)

    def _user_profile(self, shopper: Shopper) -> UserProfile:
        return decayed(shopper.present if len(shopper.present) else shopper.trail, self.decay, self.last)

    def _reason_from(self, shopper: Shopper, sources: tuple[int, ...]) -> Reason:
        return Reason(ReasonKind.SIMILAR_TO, sources)


@dataclass(eq=False)
class Complementary(Similar):
    """Products that complement the cart and the product in view; if the cart is empty, those of the latest purchase.

    Source: McAuley, Pandey & Leskovec, "Inferring networks of substitutable and complementary products", KDD 2015,
    doi:10.1145/2783258.2783381
    """

    name: ClassVar[str] = "complementary"

    decay: float = 1.0
    """Weight of a product relative to the product after it, 0 to 1; with 1 all products of a cart count equally."""
    last: int = 50
    """Number of source products; the latest are used."""

    def _fit(self, data: Interactions) -> None:
        self.neighbours = as_csr(data.complementary)

    def _user_profile(self, shopper: Shopper) -> UserProfile:
        rows = shopper.cart if len(shopper.cart) else shopper.last_basket
        if shopper.current is not None:
            rows = np.append(rows, np.int32(shopper.current))
        return decayed(last_occurrences(rows), self.decay, self.last)

    def _reason_from(self, shopper: Shopper, sources: tuple[int, ...]) -> Reason:
        return Reason(ReasonKind.BOUGHT_TOGETHER, sources)


def decayed(rows: Rows, decay: float, last: int) -> UserProfile:
    """Return the latest `last` of the rows, which are oldest first, and their weights decay^age.

    Age is the number of rows that come later, so the latest row has weight 1.
    """
    latest = rows[-last:]
    return latest, np.float32(decay) ** np.arange(len(latest) - 1, -1, -1, dtype=np.float32)
