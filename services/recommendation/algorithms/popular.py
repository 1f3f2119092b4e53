"""Popularity: with everybody, and in the shopper's own groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import AnyArray, Csr, FloatArray, Longs, Rows, as_csr
from services.recommendation.algorithms.base import Algorithm, Interactions, Reason, ReasonKind, Shopper, Space
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.shopper_scores import BlendedScores, FewScores, OrderedScores, ShopperScores
from services.recommendation.algorithms.sparse import preferences

Level = tuple[str, ...]


MOST_GROUPS = 64
"""Combinations of groups whose scores are kept: at most 8 bytes a product each."""
LEAST_PRIOR = 4.0
"""Mass that a group is mixed with even in a tiny shop: some handful of customers who bought."""


@dataclass(eq=False)
class Popular(Algorithm):
    """Share of preference, of everybody and of the shopper's groups, each group drawn to the level above it.

    From the widest level to the narrowest: share = (count in group + prior · share above) / (mass of group + prior).
    A small group says little and borrows from the wider one; an unknown group is skipped. A customer counts for a
    product once, by the logarithm of their decayed events, so that nobody makes a bestseller alone.

    Source of the estimate (Dirichlet prior smoothing): Zhai & Lafferty, "A study of smoothing methods for language
    models applied to information retrieval", ACM TOIS 2004, doi:10.1145/984321.984322

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "popular"
    space: ClassVar[Space] = {
        "half_life_days": (7.0, 15.0, 30.0, 60.0, 120.0),
    }

    levels: tuple[Level, ...] = (("age",), ("region",), ("region", "age"))
    """Groups to draw on, the widest first; several names are taken together."""
    prior: float = 800.0
    """Mass of the level above that a group is mixed with, in units of confidence; less in a small shop."""
    prior_share: float = 0.01
    """Most that `prior` may be of everybody's mass, but at least 4: a small shop's groups have a say too."""
    half_life_days: float = 30.0
    """Time after which an event counts half, in days."""

    pull: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (1,), float32: the prior in force."""
    overall: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: share of everybody."""
    counts: Csr = field(init=False, repr=False)
    """Learned: csr_array of shape (n_groups, n_products), float32: mass by group, all levels stacked."""
    masses: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_groups,), float32: sum of each row of `counts`."""
    offsets: Longs = field(init=False, repr=False)
    """Learned: ndarray of shape (n_levels + 1,), int64: first row of each level in `counts`."""
    sizes: Longs = field(init=False, repr=False)
    """Learned: ndarray of shape (n_names,), int64: number of codes of each group name, 0 if it was absent."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(prior=self.prior, prior_share=self.prior_share, half_life_days=self.half_life_days)
        self.levels = tuple(tuple(level) for level in self.levels)

    def _fit(self, data: Interactions) -> None:
        x = preferences(data, self.half_life_days)
        total = np.bincount(x.indices, x.data, data.n_products)
        bound = max(LEAST_PRIOR, self.prior_share * float(total.sum()))
        self.pull = np.array([min(self.prior, bound)], dtype=np.float32)
        self.overall = (total / max(float(total.sum()), 1e-12)).astype(np.float32)
        self.sizes = np.array([_size(data.groups.get(name)) for name in self._names], dtype=np.int64)
        sizes = [self._level_size(level) for level in self.levels]
        self.offsets = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self.counts = as_csr(self._membership(data) @ x)
        self.masses = np.asarray(self.counts.sum(axis=1), dtype=np.float32).ravel()

    def _score(self, shopper: Shopper) -> FloatArray:
        return self._shares(self._rows_of(shopper))

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        of_groups = tuple(self._rows_of(shopper))
        if not of_groups:
            return self._ordered
        found = self._by_groups.get(of_groups)
        if found is None:
            found = self._by_groups[of_groups] = self._blended(np.array(of_groups, np.int32))
            while len(self._by_groups) > MOST_GROUPS:
                self._by_groups.pop(next(iter(self._by_groups)), None)
        return found

    def _blended(self, rows: Rows) -> BlendedScores:
        """Return the scores in the groups at `rows`, which come widest first."""
        total = self.masses[rows] + self.pull[0]
        kept = self.pull[0] / total
        # what a wider group gives is mixed down by every narrower one
        narrower = np.append(np.cumprod(kept[::-1])[::-1][1:], np.float32(1.0))
        weights = (narrower / total).astype(np.float32)
        return BlendedScores(self._ordered, float(kept.prod()), FewScores.of_rows(self.counts, rows, weights))

    @cached_property
    def _by_groups(self) -> dict[tuple[int, ...], BlendedScores]:
        """Scores of shoppers of the same groups, those met lately."""
        return {}

    @cached_property
    def _ordered(self) -> OrderedScores:
        return OrderedScores.of(self.overall)

    def _shares(self, rows: Sequence[int]) -> FloatArray:
        """Return the share of each product in the narrowest of the groups at `rows`, which come widest first."""
        shares = self.overall.copy()
        for row in rows:
            mass = self.masses[row] + self.pull[0]
            begin, end = self.counts.indptr[row], self.counts.indptr[row + 1]
            shares *= self.pull[0] / mass
            shares[self.counts.indices[begin:end]] += self.counts.data[begin:end] / mass
        return shares

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        if self.overall[product] <= 0:
            return None
        lifts = {name: self._lift(name, code, product) for name, code in shopper.groups.items()}
        best = max(lifts, key=lambda name: lifts[name], default=None)
        if best is None or lifts[best] <= 1.0:
            return Reason(ReasonKind.POPULAR)
        return Reason(ReasonKind.POPULAR_IN_GROUP, group=(best, shopper.groups[best]))

    def _lift(self, name: str, code: int, product: int) -> float:
        """Return the shrunk share of `product` in one group over its share of everybody; 0 for an unknown group."""
        if (name,) not in self.levels:
            return 0.0
        row = self._row((name,), {name: code})
        if row is None:
            return 0.0
        begin, end = self.counts.indptr[row], self.counts.indptr[row + 1]
        count = self.counts.data[begin:end][self.counts.indices[begin:end] == product].sum()
        share = (count + self.pull[0] * self.overall[product]) / (self.masses[row] + self.pull[0])
        return float(share / self.overall[product])

    @property
    def _names(self) -> list[str]:
        return sorted({name for level in self.levels for name in level})

    def _rows_of(self, shopper: Shopper) -> list[int]:
        rows = (self._row(level, shopper.groups) for level in self.levels)
        return [row for row in rows if row is not None]

    def _row(self, level: Level, groups: Mapping[str, int]) -> int | None:
        """Return the row of `counts` for the groups' codes at one level, None if a code is unknown."""
        code = 0
        for name in level:
            size = self._size_of(name)
            own = groups.get(name, -1)
            if not 0 <= own < size:
                return None
            code = code * size + own
        return int(self.offsets[self.levels.index(level)]) + code

    def _size_of(self, name: str) -> int:
        return int(self.sizes[self._names.index(name)])

    def _level_size(self, level: Level) -> int:
        return int(np.prod([self._size_of(name) for name in level], dtype=np.int64))

    def _membership(self, data: Interactions) -> Csr:
        """Return which customer is in which group: csr_array of shape (n_groups, n_customers), ones."""
        pairs = [self._members(level, data.groups) for level in self.levels if self._level_size(level)]
        groups = np.concatenate([np.empty(0, np.int64), *(groups for groups, _ in pairs)])
        customers = np.concatenate([np.empty(0, np.int64), *(customers for _, customers in pairs)])
        ones = np.ones(len(groups), dtype=np.float32)
        return as_csr(sp.coo_array((ones, (groups, customers)), shape=(int(self.offsets[-1]), data.n_customers)))

    def _members(self, level: Level, groups: Mapping[str, Rows]) -> tuple[AnyArray, AnyArray]:
        codes = np.zeros(len(groups[level[0]]), dtype=np.int64)
        known = np.ones(len(codes), dtype=bool)
        for name in level:
            codes = codes * self._size_of(name) + groups[name]
            known &= groups[name] >= 0
        return codes[known] + self.offsets[self.levels.index(level)], np.flatnonzero(known)


def _size(codes: Rows | None) -> int:
    return 0 if codes is None else int(codes.max(initial=-1)) + 1
