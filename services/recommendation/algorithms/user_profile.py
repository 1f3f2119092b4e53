"""The common part of algorithms that know a shopper by the products they met and how much each says."""

from dataclasses import dataclass, field

import numpy as np

from services.recommendation.algorithms.arrays import Csr, FloatArray, Rows
from services.recommendation.algorithms.base import Algorithm, Interactions, Shopper
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.interactions import EVENT_WEIGHTS
from services.recommendation.algorithms.sparse import confidence, preferences

UserProfile = tuple[Rows, FloatArray]


@dataclass(eq=False)
class UserProfileMixin(Algorithm):
    """Knows a shopper by decayed weights of events, with the weights of kinds that it was trained with.

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    half_life_days: float = 120.0
    """Time after which an event counts half, in days."""
    max_history: int = 400
    """Products of a shopper that count, the strongest."""

    kind_weights: FloatArray = field(init=False, repr=False, default_factory=lambda: EVENT_WEIGHTS)
    """Learned: ndarray of shape (3,), float32: how much an event says about user_profile, by `Kind`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(half_life_days=self.half_life_days, max_history=self.max_history)

    def _learn_preferences(self, data: Interactions) -> Csr:
        """Keep the weights of kinds, and return each customer's preferences under them."""
        self.kind_weights = data.relative_weights
        return preferences(data, self.half_life_days)

    def _user_profile(self, shopper: Shopper) -> UserProfile:
        """Return the source rows, each once, and their weights."""
        how = (self.half_life_days, self.max_history, self.kind_weights)
        key = ("profile", self.half_life_days, self.max_history, self.kind_weights.tobytes())
        return shopper.memo(key, lambda: user_profile(shopper, *how))


def user_profile(shopper: Shopper, half_life_days: float, max_history: int, kind_weights: FloatArray) -> UserProfile:
    """Return the shopper's products with their confidence, at most the `max_history` strongest."""
    rows, weights = shopper.weights(half_life_days, kind_weights)
    if len(rows) > max_history:
        kept = np.sort(np.argsort(-weights, kind="stable")[:max_history])
        rows, weights = rows[kept], weights[kept]
    return rows, confidence(weights)
