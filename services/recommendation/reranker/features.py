"""Features of candidates: the algorithms' opinions, the shopper's own history with the product, the product's facts."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.reranker import item_features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures

NEVER = 9999.0
"""Age in days or steps of what never happened."""
HALF_LIVES = (7.0, 30.0, 90.0)
"""Days after which an event counts half, one feature each."""
ACTIVITY_HALF_LIFE_DAYS = 30.0
SHORTEST_INTERVAL_DAYS = 0.5

OWN = (
    "own.last_step",
    "own.last_age",
    "own.views",
    "own.carts",
    "own.purchases",
    *(f"own.decayed_{half_life:.0f}" for half_life in HALF_LIVES),
    "own.interval",
    "own.due",
    "own.share",
)
SHOPPER = ("shopper.events", "shopper.repeats", "shopper.activity", "shopper.absence")
Columns: TypeAlias = list[NDArray[np.float64] | FloatArray | Longs]


def names(algorithms: Sequence[str]) -> list[str]:
    """Return the name of each column of `table`."""
    opinions = [f"{name}.{aspect}" for name in algorithms for aspect in ("score", "rank")]
    return [*opinions, *OWN, *SHOPPER, *(f"product.{name}" for name in item_features.NAMES)]


def table(candidates: Candidates, histories: ShopperHistories, known: ItemFeatures, target: Kind) -> FloatArray:
    """Return the features of each candidate.

    Returns
    -------
    ndarray of shape (n_candidates, n_features), float32
        Columns as `names` gives them.
    """
    own = _Own(candidates, histories, len(known.values))
    columns = [*_own(own, histories, known.gap, target), *_shopper(candidates, histories, own, target)]
    drawn = np.stack(columns, axis=1).astype(np.float32)
    return np.concatenate([candidates.opinions, drawn, known.values[candidates.products]], axis=1)


class _Own:
    """The events of each candidate's shopper with the candidate's product, latest first."""

    def __init__(self, candidates: Candidates, histories: ShopperHistories, n_products: int) -> None:
        pairs = histories.owners * n_products + histories.products
        self.order = np.lexsort((histories.steps, pairs))
        self.pairs = pairs[self.order]
        wanted = candidates.owners * n_products + candidates.products
        self.begin = np.searchsorted(self.pairs, wanted)
        self.end = np.searchsorted(self.pairs, wanted, side="right")
        self.products = candidates.products
        self.owners = candidates.owners

    @property
    def count(self) -> Longs:
        return self.end - self.begin

    @property
    def met(self) -> Mask:
        return self.end > self.begin

    def total(self, values: NDArray[np.floating] | Mask) -> NDArray[np.float64]:
        """Return the sum over the events, shape (n_candidates,)."""
        running = np.concatenate([[0.0], np.cumsum(values[self.order], dtype=np.float64)])
        totals: NDArray[np.float64] = running[self.end] - running[self.begin]
        return totals

    def latest(self, values: FloatArray | Longs, missing: float) -> NDArray[np.float64]:
        """Return the value of the latest event, `missing` where there is none."""
        return self._at(self.begin, values, missing)

    def earliest(self, values: FloatArray | Longs, missing: float) -> NDArray[np.float64]:
        """Return the value of the earliest event, `missing` where there is none."""
        return self._at(self.end - 1, values, missing)

    def _at(self, places: Longs, values: FloatArray | Longs, missing: float) -> NDArray[np.float64]:
        if not len(self.order):
            return np.full(len(places), missing)
        safe = np.clip(places, 0, len(self.order) - 1)
        return np.where(self.met, values[self.order][safe], missing)


def _own(own: _Own, histories: ShopperHistories, gap: FloatArray, target: Kind) -> Columns:
    wanted = histories.kinds == target
    latest = own.latest(histories.ages, NEVER)
    span = np.where(own.met, own.earliest(histories.ages, 0.0) - latest, 0.0)
    interval = np.maximum((span + gap[own.products]) / np.maximum(own.count, 1), SHORTEST_INTERVAL_DAYS)
    events = np.bincount(histories.owners[wanted], minlength=histories.n_shoppers)
    counts = own.total(wanted)
    return [
        own.latest(histories.steps, NEVER),
        latest,
        *(own.total(histories.kinds == kind) for kind in Kind),
        *(own.total(np.where(wanted, np.exp2(-histories.ages / half_life), 0.0)) for half_life in HALF_LIVES),
        np.where(own.met, interval, -1.0),
        np.where(own.met, latest / interval, -1.0),
        counts / np.maximum(events, 1)[own.owners],
    ]


def _shopper(candidates: Candidates, histories: ShopperHistories, own: _Own, target: Kind) -> Columns:
    n = histories.n_shoppers
    events = np.bincount(histories.owners, minlength=n)
    first = np.append(True, own.pairs[1:] != own.pairs[:-1])[: len(own.pairs)]
    distinct = np.bincount(histories.owners[own.order][first], minlength=n)
    wanted = histories.kinds == target
    fresh = np.where(wanted, np.exp2(-histories.ages / ACTIVITY_HALF_LIFE_DAYS), 0.0)
    absence = np.full(n, NEVER)
    np.minimum.at(absence, histories.owners, histories.ages)
    each = (
        np.log1p(events),
        np.maximum(events, 1) / np.maximum(distinct, 1),
        np.log1p(np.bincount(histories.owners, fresh, n)),
        absence,
    )
    return [values[candidates.owners] for values in each]
