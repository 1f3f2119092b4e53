"""Related products as the product agent found them: similar ones and complements."""

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
    """Products like those the shopper looks at now: alternatives.

    The relation comes from outside; sources are the product in view (weight 1) and the session before it, each step
    back counting `decay` of the next. Without a session the latest products of the history stand in.

    Source: Linden, Smith & York, "Amazon.com recommendations: item-to-item collaborative filtering", IEEE Internet
    Computing 2003, doi:10.1109/MIC.2003.1167344
    """

    name: ClassVar[str] = "similar"

    decay: float = 0.6
    """Weight of each earlier product against the next, 0 to 1."""
    last: int = 5
    """Products that count, the latest."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_fraction(decay=self.decay)
        require_positive(last=self.last)

    def score_with(self, relations: Csr, shopper: Shopper) -> FloatArray:
        """Score by live `relations`, csr_array of shape (n, n), in place of those given at training."""
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
    """Products that go with the cart, the product in view and, when the cart is empty, the latest purchase.

    Source: McAuley, Pandey & Leskovec, "Inferring networks of substitutable and complementary products", KDD 2015,
    doi:10.1145/2783258.2783381
    """

    name: ClassVar[str] = "complementary"

    decay: float = 1.0
    """Weight of each earlier product against the next, 0 to 1; all of a cart count alike."""
    last: int = 50
    """Products that count, the latest."""

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
    """Return the `last` rows, oldest first, with weights decay^age; the latest has age 0 and weight 1."""
    latest = rows[-last:]
    return latest, np.float32(decay) ** np.arange(len(latest) - 1, -1, -1, dtype=np.float32)
