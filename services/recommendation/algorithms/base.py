"""The interface of all recommendation algorithms: fit on interactions, score products for a shopper, give reasons.

Products and customers are identified by rows: integers from 0. The caller assigns the rows and keeps the map to the
platform's ids. This module uses no database and no server: inputs are arrays and sparse matrices, outputs are arrays.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Mask, Rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.row_steps import ROW_SCALE, RowSteps, SparseMatrix, floats
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.algorithms.shopper_scores import FewScores, ProductScores, ShopperScores, VectorScores

__all__ = ["Algorithm", "Interactions", "Kind", "NotFittedError", "Reason", "ReasonKind", "Shopper", "Space"]

WORTH_MULTIPLYING = 16
"""Shoppers from which one multiplication with the vectors of all products beats a search for each shopper."""

Space: TypeAlias = Mapping[str, tuple[Any, ...]]
"""For each tuned configuration field the values that tuning tries.

The values ascend and include the default. The fields that matter most come first.
"""


class NotFittedError(RuntimeError):
    """The algorithm was used before it was fitted or loaded."""


class ReasonKind(StrEnum):
    """Kinds of reasons; the values are the names of the contract's `ReasonKind` in lower case."""

    BECAUSE_YOU_VIEWED = "because_you_viewed"
    BECAUSE_YOU_BOUGHT = "because_you_bought"
    BOUGHT_TOGETHER = "bought_together"
    SIMILAR_TO = "similar_to"
    OFTEN_NEXT = "often_next"
    POPULAR_IN_GROUP = "popular_in_group"
    POPULAR = "popular"
    TRENDING = "trending"
    NEW_ARRIVAL = "new_arrival"
    BUY_AGAIN = "buy_again"
    FITS_YOUR_TASTE = "fits_your_taste"
    MATCHES_SEARCH = "matches_search"


@dataclass(frozen=True)
class Reason:
    """Why a product is recommended.

    `products` are the rows of the products that caused the score, at most three, the strongest first. `group` is set
    for `POPULAR_IN_GROUP` only: the name and the code of the shopper's group, such as `("region", 4)`.
    """

    kind: ReasonKind
    products: tuple[int, ...] = ()
    group: tuple[str, int] | None = None


@dataclass(eq=False)
class Algorithm(ABC):
    """Base class of the algorithms that score products for a shopper.

    A subclass is a dataclass. Its fields are its configuration, except the fields with `field(init=False)`: `fit`
    learns these, each an ndarray or a CSR matrix. A subclass implements `_fit`, `_score` and `_reason`. It also
    overrides `_sparse_scores` if it can score faster than by scoring the whole catalogue.

    Two pairs of methods give the same scores. `score` and `score_many` score the whole catalogue, for training and
    evaluation. `propose` and `score_products` serve requests; if a subclass overrides `_sparse_scores`, they need not
    score the whole catalogue.
    """

    name: ClassVar[str]
    """Name of the algorithm in weights, logs and the contract."""

    space: ClassVar[Space] = {}
    """Search space of tuning; empty if nothing is tuned."""

    sampled: ClassVar[bool] = False
    """Whether the algorithm, because its training is costly, is fitted on some of the customers of a large shop."""

    def __post_init__(self) -> None:
        self._n_products: int | None = None

    @property
    def n_products(self) -> int:
        """Number of products known at training, which is the length of the scores.

        Raises
        ------
        NotFittedError
            Before `fit` or `load`.
        """
        if self._n_products is None:
            raise NotFittedError(f"{self.name} is not fitted: call fit() or load() first")
        return self._n_products

    @property
    def params(self) -> dict[str, Any]:
        """The configuration as JSON-able values, from which the same algorithm can be constructed again."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.init}

    def fit(self, data: Interactions) -> Self:
        """Learn from `data` and return the algorithm itself. What an earlier call learned is replaced."""
        self._fit(data)
        self._n_products = data.n_products
        self._forget_derived()
        return self

    def score(self, shopper: Shopper) -> FloatArray:
        """Score every product for one shopper.

        Returns
        -------
        ndarray of shape (n_products,), float32
            0 if the algorithm has no score for the product, else positive and finite: higher is better. Scores are
            comparable within one call of one algorithm only. No product is masked.

        Raises
        ------
        NotFittedError
            Before `fit` or `load`.
        ValueError
            If a row of the shopper is negative or not below `n_products`; `Shopper.within` removes rows that are
            too large.
        """
        shopper.require_within(self.n_products)
        return self._score(shopper)

    def score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        """Score every product for several shoppers at once, which is faster than calling `score` for each.

        Returns
        -------
        ndarray of shape (len(shoppers), n_products), float32
            Row i equals `score(shoppers[i])` up to rounding.

        Raises
        ------
        NotFittedError
            Before `fit` or `load`.
        ValueError
            If a row of a shopper is negative or not below `n_products`.
        """
        n_products = self.n_products
        for shopper in shoppers:
            shopper.require_within(n_products)
        return self._score_many(shoppers)

    def propose(self, shopper: Shopper, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        """Return the `k` allowed products with the largest scores, and these scores, largest first.

        Parameters
        ----------
        k : int
            Number of products, at least 1.
        allowed : ndarray of shape (n_products,), bool
            Products that may be proposed. The array may be longer; entries from `n_products` on are ignored.

        Raises
        ------
        NotFittedError
            Before `fit` or `load`.
        ValueError
            If a row of the shopper is negative or not below `n_products`.
        """
        return self.scores_of(shopper).top(k, allowed)

    def score_products(self, shopper: Shopper, products: Rows) -> FloatArray:
        """Return the scores of the given products, shape (n,), float32; 0 if the algorithm has no score.

        Parameters
        ----------
        products : ndarray of shape (n,), int32
            Distinct rows, each below `n_products`.

        Raises
        ------
        NotFittedError
            Before `fit` or `load`.
        ValueError
            If a row of the shopper is negative or not below `n_products`.
        """
        return self.scores_of(shopper).at(products)

    def scores_of(self, shopper: Shopper) -> ShopperScores:
        """Return all scores of one shopper in sparse form; they are computed once per shopper. Errors as `propose`."""
        shopper.require_within(self.n_products)
        return shopper.memo((self, "scores"), lambda: self._sparse_scores(shopper))

    def scores_of_many(self, shoppers: Sequence[Shopper]) -> list[ShopperScores]:
        """Return the result of `scores_of` for each shopper, up to rounding. Errors as `propose`."""
        scores = [self.scores_of(shopper) for shopper in shoppers]
        vectors = [each for each in scores if isinstance(each, VectorScores)]
        together = len(vectors) == len(scores) >= WORTH_MULTIPLYING
        return [*ProductScores.of_many(vectors)] if together else scores

    def explain(self, shopper: Shopper, product: int) -> Reason | None:
        """Return why `product` (a row) got its score, or None if the algorithm has no score for it.

        Raises
        ------
        NotFittedError
            Before `fit` or `load`.
        ValueError
            If `product` or a row of the shopper is out of range.
        """
        shopper.require_within(self.n_products)
        if not 0 <= product < self.n_products:
            raise ValueError(f"product: must be a row from 0 to {self.n_products - 1}, got {product}")
        return self._reason(shopper, product)

    def state(self) -> dict[str, AnyArray]:
        """Return what was learned as arrays by name. A CSR matrix becomes its three arrays and its shape."""
        arrays: dict[str, AnyArray] = {"n_products": np.asarray(self.n_products, dtype=np.int64)}
        for attribute in self._learned():
            arrays |= _packed(attribute, self._stored(attribute))
        return arrays

    @classmethod
    def load(cls, state: Mapping[str, AnyArray], params: Mapping[str, Any] | None = None) -> Self:
        """Return the algorithm whose `state()` and `params` are given.

        Raises
        ------
        KeyError
            If an array is missing.
        """
        algorithm = cls(**(params or {}))
        for attribute in cls._learned():
            setattr(algorithm, attribute, _unpacked(attribute, state))
        algorithm._n_products = int(state["n_products"])
        return algorithm

    def _stored(self, attribute: str) -> AnyArray | SparseMatrix:
        """Return what is saved of a learned attribute."""
        value: AnyArray | SparseMatrix = getattr(self, attribute)
        return value

    def _forget_derived(self) -> None:
        """Delete the cached properties, because they were derived from what an earlier `fit` learned."""
        for name in [name for name in vars(self) if isinstance(getattr(type(self), name, None), cached_property)]:
            delattr(self, name)

    @classmethod
    def _learned(cls) -> list[str]:
        return [field.name for field in fields(cls) if not field.init]

    @abstractmethod
    def _fit(self, data: Interactions) -> None: ...

    @abstractmethod
    def _score(self, shopper: Shopper) -> FloatArray: ...

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        """Return the scores of one shopper. Subclasses override it if they need not score the whole catalogue."""
        scores = self._score(shopper)
        rows = np.flatnonzero(scores).astype(np.int32)
        return FewScores(rows, scores[rows], len(scores))

    def _score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        scores = np.empty((len(shoppers), self.n_products), dtype=np.float32)
        for row, shopper in zip(scores, shoppers, strict=True):
            row[:] = self._score(shopper)
        return scores

    @abstractmethod
    def _reason(self, shopper: Shopper, product: int) -> Reason | None: ...


def _packed(name: str, value: AnyArray | SparseMatrix) -> dict[str, AnyArray]:
    if isinstance(value, np.ndarray):
        return {name: value}
    matrix = floats(value)
    narrow = np.int32 if max(matrix.shape, default=0) <= np.iinfo(np.int32).max else np.int64
    indices = matrix.indices.astype(narrow)  # scipy gives products of matrices int64 indices, twice the size needed
    parts = {"data": matrix.data, "indices": indices, "indptr": matrix.indptr, "shape": np.asarray(matrix.shape)}
    return {f"{name}.{part}": array for part, array in parts.items()}


def _unpacked(name: str, state: Mapping[str, AnyArray]) -> AnyArray | SparseMatrix:
    if name in state:
        return state[name]
    data, indices, indptr, shape = (state[f"{name}.{part}"] for part in ("data", "indices", "indptr", "shape"))
    size = int(shape[0]), int(shape[1])
    scale = state.get(f"{name}.{ROW_SCALE}")
    if scale is not None:
        return RowSteps(indptr, indices, data, scale, size)
    return sp.csr_array((data, indices, indptr), shape=size)
