"""The features of candidates in plain numpy, array by array: the slow twin of the kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.interactions import DAY, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.features import ACTIVITY_HALF_LIFE_DAYS, HALF_LIVES, NEVER, SHORTEST_INTERVAL_DAYS
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.ranks import UNRANKED, tie_hash

Columns: TypeAlias = list[NDArray[np.float64] | FloatArray | Longs]


@dataclass(frozen=True, eq=False)
class PlainHistories:
    """What shoppers met, this session included: by shopper, oldest first.

    Parameters
    ----------
    n_shoppers : int
    owners : ndarray of shape (n_events,), int64
        Whose event it is: the place in the list of shoppers.
    products, kinds : ndarray of shape (n_events,)
        As in `Shopper`; products of this session and the product in view are views.
    ages : ndarray of shape (n_events,), float32
        Days before the moment of asking.
    steps : ndarray of shape (n_events,), int64
        Steps before the end of the shopper's history; the events of one second are one step.
    """

    n_shoppers: int
    owners: Longs
    products: Rows
    kinds: NDArray[np.int8]
    ages: FloatArray
    steps: Longs

    @classmethod
    def of(cls, shoppers: Sequence[Shopper]) -> Self:
        """Return the histories of `shoppers`."""
        sessions = [_session(shopper) for shopper in shoppers]
        parts = list(zip(shoppers, sessions, strict=True))
        lengths = np.array([len(shopper.products) + len(session) for shopper, session in parts], np.int64)
        clocks = _joined([_clock(shopper, len(session)) for shopper, session in parts], np.int64)
        owners = np.repeat(np.arange(len(parts)), lengths)
        now = np.repeat(np.array([shopper.now for shopper in shoppers], np.int64), lengths)
        return cls(
            n_shoppers=len(parts),
            owners=owners,
            products=_joined([rows for shopper, session in parts for rows in (shopper.products, session)], np.int32),
            kinds=_joined(
                [kinds for shopper, session in parts for kinds in (shopper.kinds, np.full(len(session), Kind.VIEW))],
                np.int8,
            ),
            ages=(np.maximum(now - clocks, 0) / DAY).astype(np.float32),
            steps=_steps(owners, clocks, np.cumsum(lengths)),
        )


def _session(shopper: Shopper) -> Rows:
    if shopper.current is None or (len(shopper.session) and shopper.session[-1] == shopper.current):
        return shopper.session
    return np.append(shopper.session, np.int32(shopper.current))


def _clock(shopper: Shopper, present: int) -> Longs:
    """Return a moment for each event; those of the session are steps of their own after everything else."""
    begin = max(shopper.now, int(shopper.times[-1]) if len(shopper.times) else shopper.now)
    clock: Longs = np.concatenate([shopper.times, begin + 1 + np.arange(present)])
    return clock


def _steps(owners: Longs, clocks: Longs, ends: Longs) -> Longs:
    if not len(owners):
        return np.empty(0, np.int64)
    new = (np.diff(clocks, prepend=clocks[:1]) != 0) | (np.diff(owners, prepend=owners[:1]) != 0)
    number = np.cumsum(new)
    steps: Longs = number[np.maximum(ends - 1, 0)][owners] - number
    return steps


def _joined(parts: Sequence[AnyArray], dtype: DTypeLike) -> AnyArray:
    return np.concatenate(parts).astype(dtype) if parts else np.empty(0, dtype)


def table(candidates: Candidates, histories: PlainHistories, items: ItemFeatures, target: Kind) -> FloatArray:
    """Return the features of each candidate.

    Returns
    -------
    ndarray of shape (n_candidates, n_features), float32
        Columns as `names` gives them.
    """
    own = _Own(candidates, histories, len(items.values))
    columns = [*_own(own, histories, items.gap, target), *_shopper(candidates, histories, own, target)]
    other = np.stack(columns, axis=1).astype(np.float32)
    return np.concatenate([candidates.score_columns.T, other, items.values[candidates.products]], axis=1)


class _Own:
    """The events of each candidate's shopper with the candidate's product, latest first."""

    def __init__(self, candidates: Candidates, histories: PlainHistories, n_products: int) -> None:
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


def _own(own: _Own, histories: PlainHistories, gap: FloatArray, target: Kind) -> Columns:
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


def _shopper(candidates: Candidates, histories: PlainHistories, own: _Own, target: Kind) -> Columns:
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


def ranks(values: FloatArray, owners: Longs, products: Longs) -> Longs:
    """Return the rank of each value among those of its owner, ties by hash."""
    hashes = np.array([tie_hash(product) for product in products.tolist()], np.uint64)
    order = np.lexsort((hashes, -values, owners))
    found = np.empty(len(values), np.int64)
    found[order] = np.arange(len(values)) - np.searchsorted(owners, owners[order])
    return found


def score_columns(scores: FloatArray, owners: Longs, products: Longs) -> FloatArray:
    """Return shares and ranks of each algorithm one below the other, shape (2 · n_algorithms, n_candidates)."""
    rows: list[FloatArray] = []
    for own in scores:
        best = np.full(owners.max(initial=-1) + 1, np.finfo(np.float32).tiny, np.float32)
        np.maximum.at(best, owners, own)
        rows += [own / best[owners], np.where(own > 0, ranks(own, owners, products), UNRANKED).astype(np.float32)]
    return np.array(rows)
