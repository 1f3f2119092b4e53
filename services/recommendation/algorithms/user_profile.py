"""Base class of the algorithms that represent a shopper by a profile: products with decayed weights."""

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
    """Computes a shopper's profile from decayed event weights, with the kinds' weights of the training data.

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    half_life_days: float = 120.0
    """Time after which the weight of an event is halved, in days."""
    max_history: int = 400
    """Largest number of products in a shopper's profile; those with the largest weights are kept."""

    kind_weights: FloatArray = field(init=False, repr=False, default_factory=lambda: EVENT_WEIGHTS)
    """Learned: ndarray of shape (3,), float32: weight of an event by `Kind`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(half_life_days=self.half_life_days, max_history=self.max_history)

    def _learn_preferences(self, data: Interactions) -> Csr:
        """Store the kinds' weights of `data` and return each customer's preferences, as `preferences` does."""
        self.kind_weights = data.relative_weights
        return preferences(data, self.half_life_days)

    def _user_profile(self, shopper: Shopper) -> UserProfile:
        """Return the rows of the shopper's products, each once, and their confidence."""
        how = (self.half_life_days, self.max_history, self.kind_weights)
        key = ("profile", self.half_life_days, self.max_history, self.kind_weights.tobytes())
        return shopper.memo(key, lambda: user_profile(shopper, *how))


def user_profile(shopper: Shopper, half_life_days: float, max_history: int, kind_weights: FloatArray) -> UserProfile:
    """Return the rows of the shopper's products, ascending, and their confidence.

    At most `max_history` products are returned, those with the largest weights.
    """
    rows, weights = shopper.weights(half_life_days, kind_weights)
    if len(rows) > max_history:
        kept = np.sort(np.argsort(-weights, kind="stable")[:max_history])
        rows, weights = rows[kept], weights[kept]
    return rows, confidence(weights)
