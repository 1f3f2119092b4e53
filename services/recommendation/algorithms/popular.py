"""Popularity: scores products by their share of all preferences and of the preferences in the shopper's groups."""

import threading
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
"""Number of combinations of groups whose scores are cached; each takes at most 8 bytes per product."""
_REPLACING = threading.Lock()
"""A training scores from several threads. One lock for all, because an algorithm with a lock could not be copied."""
LEAST_PRIOR = 4.0
"""Lower bound of the prior in a very small shop, in units of confidence: about the mass of a few buyers."""


@dataclass(eq=False)
class Popular(Algorithm):
    """Share of each product in the preferences of the shopper's groups, shrunk towards the next wider group.

    The first share is that of all customers. Then, from the widest level to the narrowest,
    share = (count in group + prior · share above) / (mass of group + prior). So the share in a small group stays close
    to the share above it. An unknown group is skipped. The count of a product is the sum over customers of
    log(1 + decayed weight of their events with it), so one customer alone cannot make a bestseller.

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
    """Levels of groups, the widest first. A level of several names has a group for each combination of their codes."""
    prior: float = 800.0
    """Weight of the share above, in units of confidence; reduced in a small shop, see `prior_share`."""
    prior_share: float = 0.01
    """Upper bound of the prior as a share of all customers' mass, but the bound is at least 4 units of confidence.

    It keeps the prior from hiding the differences between the groups of a small shop.
    """
    half_life_days: float = 30.0
    """Time after which the weight of an event is halved, in days."""

    pull: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (1,), float32: the prior after both bounds, in units of confidence."""
    overall: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: share of each product over all customers."""
    counts: Csr = field(init=False, repr=False)
    """Learned: csr_array of shape (n_groups, n_products), float32: count by group; the levels are stacked."""
    masses: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_groups,), float32: sum of each row of `counts`."""
    offsets: Longs = field(init=False, repr=False)
    """Learned: ndarray of shape (n_levels + 1,), int64: first row of each level in `counts`."""
    sizes: Longs = field(init=False, repr=False)
    """Learned: ndarray of shape (n_names,), int64: number of codes of each group name; 0 if the data lacks the name."""

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
            found = self._blended(np.array(of_groups, np.int32))
            with _REPLACING:
                self._by_groups[of_groups] = found
                while len(self._by_groups) > MOST_GROUPS:
                    del self._by_groups[next(iter(self._by_groups))]
        return found

    def _blended(self, rows: Rows) -> BlendedScores:
        """Return the scores in the groups at `rows` of `counts`; the widest group comes first."""
        total = self.masses[rows] + self.pull[0]
        kept = self.pull[0] / total
        # the contribution of a wider group is multiplied by `kept` of every narrower group
        narrower = np.append(np.cumprod(kept[::-1])[::-1][1:], np.float32(1.0))
        weights = (narrower / total).astype(np.float32)
        return BlendedScores(self._ordered, float(kept.prod()), FewScores.of_rows(self.counts, rows, weights))

    @cached_property
    def _by_groups(self) -> dict[tuple[int, ...], BlendedScores]:
        """Cached scores by the groups of a shopper, at most `MOST_GROUPS`; the oldest entry is dropped first."""
        return {}

    @cached_property
    def _ordered(self) -> OrderedScores:
        return OrderedScores.of(self.overall)

    def _shares(self, rows: Sequence[int]) -> FloatArray:
        """Return the share of each product in the last of the groups at `rows`; the widest group comes first."""
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
        """Return the shrunk share of `product` in one group, divided by its overall share; 0 for an unknown group."""
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
        """Return the row of `counts` for the groups' codes at one level, or None if a code is unknown."""
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
        """Return the membership matrix, shape (n_groups, n_customers), float32: 1 if the customer is in the group."""
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
