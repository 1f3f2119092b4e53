"""A toy algorithm whose best parameters are known, and data that shows them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm, Interactions, Reason, Shopper, Space
from services.recommendation.tuning.tuning_data import TuningData
from tests.unit.recommendation.evaluation.synthetic_data import two_tastes


@dataclass(eq=False)
class Toy(Algorithm):
    """Scores products of the shopper's own parity 1, the others `other`; best is an `other` below 1."""

    name: ClassVar[str] = "toy"
    space: ClassVar[Space] = {"other": (0.0, 1.0, 2.0, 4.0), "idle": (1, 2)}
    fits: ClassVar[int] = 0
    """How often one was fitted, in all."""

    other: float = 2.0
    idle: int = 1
    unsearched: str = "as it is"

    def _fit(self, data: Interactions) -> None:
        type(self).fits += 1
        if self.other < 0:
            raise ValueError("other: must not be negative")

    def _score(self, shopper: Shopper) -> FloatArray:
        own = np.arange(self.n_products) % 2 == shopper.products[0] % 2
        return np.where(own, 1.0, self.other).astype(np.float32)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        return None


@dataclass(eq=False)
class Settled(Toy):
    """Its defaults are the best there are."""

    name: ClassVar[str] = "settled"
    other: float = 0.5


@dataclass(eq=False)
class Fragile(Toy):
    """Cannot be trained with all its parameters."""

    name: ClassVar[str] = "fragile"
    space: ClassVar[Space] = {"other": (-1.0, 0.0, 2.0)}


@dataclass(eq=False)
class Broken(Toy):
    """Cannot be trained with its defaults."""

    name: ClassVar[str] = "broken"
    other: float = -1.0


class Said:
    """Remembers the progress."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.fractions: list[float] = []

    def __call__(self, stage: str, fraction: float) -> None:
        self.stages.append(stage)
        self.fractions.append(fraction)


def tuning_data(n_customers: int = 120, seed: int = 0) -> TuningData:
    """Return two tastes, in which the toys' parameters show."""
    return TuningData(two_tastes(seed, n_customers=n_customers), timed=False)


def silent(stage: str, fraction: float) -> None:
    """Say nothing."""
