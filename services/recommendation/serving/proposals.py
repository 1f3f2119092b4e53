"""Proposals: the products that the algorithms of a page propose to a shopper, with the score of each by each."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import structlog

from services.recommendation.algorithms.arrays import FloatArray, Mask, Rows
from services.recommendation.algorithms.bits import distinct
from services.recommendation.algorithms.shopper_scores import ShopperScores
from services.recommendation.reranker.contexts import NOTHING
from services.recommendation.reranker.scorers import algorithm_of
from services.recommendation.serving.retrieval import Scorer, ShopperViews

log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class Proposals:
    """The union of what several scorers propose.

    Parameters
    ----------
    rows : ndarray of shape (n,), int32
        Products, ascending.
    names : tuple of str
        The scorers that answered.
    scores : ndarray of shape (n_names, n), float32
        The score of each product by each scorer; 0 for none.
    proposed : ndarray of shape (n_names, n), bool
        Which scorer proposed which product.
    failed : tuple of str
        The algorithms that failed.
    """

    rows: Rows
    names: tuple[str, ...]
    scores: FloatArray
    proposed: Mask
    failed: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        scorers: Mapping[str, Scorer],
        names: Iterable[str],
        views: ShopperViews,
        allowed: Mask,
        depth: int,
        allowed_for: Mapping[str, Mask] | None = None,
        scored_only: Collection[str] = (),
    ) -> Self:
        """Ask those of the named scorers that are there for their best `depth` allowed products each.

        A scorer that fails, or whose scores are not finite, is left out, and its algorithm is named in `failed`.
        `allowed_for` has the products that some scorers may propose where it is not what is `allowed`; those in
        `scored_only` propose none.
        """
        tops: dict[str, Rows] = {}
        scores: dict[str, ShopperScores] = {}
        failed: set[str] = set()
        for name in sorted(scorers.keys() & set(names)):
            try:
                scores[name] = scorers[name].scores_of(views)
                may = (allowed_for or {}).get(name, allowed)
                tops[name] = NOTHING if name in scored_only else _finite(*scores[name].top(depth, may))
            except Exception:  # the answer is made without it; `failed` says so in the response
                log.exception("algorithm failed", algorithm=name)
                failed.add(algorithm_of(name))
        answered = tuple(tops)
        rows = _union(list(tops.values()))
        table = np.zeros((len(answered), len(rows)), np.float32)
        proposed = np.zeros(table.shape, np.bool_)
        for place, name in enumerate(answered):
            table[place] = scores[name].at(rows)
            proposed[place, np.searchsorted(rows, tops[name])] = True
        return cls(rows, answered, table, proposed, tuple(sorted(failed)))

    def scores_by(self, name: str) -> FloatArray:
        """Return the scores by one scorer, shape (n,); zeros where it did not answer."""
        scores: FloatArray = self.table([name])[0]
        return scores

    def table(self, names: Sequence[str]) -> FloatArray:
        """Return the scores by the named scorers, shape (len(names), n); zeros where one did not answer."""
        scores = np.zeros((len(names), len(self.rows)), np.float32)
        for row, place in zip(scores, self._places(names), strict=True):
            if place >= 0:
                row[:] = self.scores[place]
        return scores

    def proposed_by(self, names: Sequence[str]) -> Mask:
        """Return which products any of the named scorers proposed, shape (n,)."""
        return np.asarray(self.proposed[[place for place in self._places(names) if place >= 0]].any(axis=0))

    def _places(self, names: Sequence[str]) -> list[int]:
        """Return the row of each named scorer, -1 where it did not answer."""
        place_of = {name: place for place, name in enumerate(self.names)}
        return [place_of.get(name, -1) for name in names]


def _finite(rows: Rows, values: FloatArray) -> Rows:
    if not np.isfinite(values.sum()):
        raise ValueError("scores are not finite")
    return rows


def _union(parts: Sequence[Rows]) -> Rows:
    """Return the distinct rows, ascending."""
    return distinct(np.concatenate([NOTHING, *parts]))
