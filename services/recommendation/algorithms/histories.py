"""Histories of single customers in a model, and how they are forgotten."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import AnyArray, Csr, FloatArray, Mask, Rows, as_csr
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.row_steps import SparseMatrix, floats

NOBODY, UNKNOWN = -1, -2
"""Owner of a history that was forgotten, and of one in a model of a release that did not store owners."""
OWNERS, INDEX = "owners", "index"


class HistoriesMixin(Algorithm):
    """An algorithm that stores histories one by one, and whose each is.

    A subclass learns `owners`, ndarray of shape (n_histories,), int32: the row of each history's customer in the
    training data. Its other sparse matrices have a row for each history; `index` has a column for each instead. It
    leaves out of its scores what `_known` leaves out.
    """

    owners: Rows

    def __post_init__(self) -> None:
        super().__post_init__()
        self._gone: Mask | None = None

    @classmethod
    def load(cls, state: Mapping[str, AnyArray], params: Mapping[str, Any] | None = None) -> Self:
        if OWNERS not in state:
            n_histories = int(state[f"{INDEX}.shape"][1])
            state = {**state, OWNERS: np.full(n_histories, UNKNOWN, np.int32)}
        return super().load(state, params)

    @property
    def known_owners(self) -> Rows:
        """The owners of the histories, `NOBODY` where one is forgotten; shape (n_histories,), int32."""
        return self.owners if self._gone is None else np.where(self._gone, np.int32(NOBODY), self.owners)

    def forget(self, customers: Rows) -> None:
        """Leave the histories of customers out of the scores and of `state()`.

        `customers` are rows as in the training data. What is a sum over customers stays. Safe while others score.
        """
        gone = np.isin(self.owners, customers) | (self.owners == UNKNOWN)
        if self._gone is not None:
            gone |= self._gone
        self._gone = gone if gone.any() else None

    def _own(self, owners: AnyArray) -> None:
        """Store whose the histories are that were learned."""
        self.owners, self._gone = owners.astype(np.int32), None

    def _known(self, histories: Rows, values: FloatArray) -> tuple[Rows, FloatArray]:
        """Return rows of histories, and a value of each, without those that are forgotten."""
        if self._gone is None:
            return histories, values
        kept = ~self._gone[histories]
        return histories[kept], values[kept]

    def _stored(self, attribute: str) -> AnyArray | SparseMatrix:
        value = super()._stored(attribute)
        if self._gone is None:
            return value
        if attribute == OWNERS:
            return self.known_owners
        if isinstance(value, np.ndarray):
            return value
        matrix = floats(value)
        histories = (
            matrix.indices if attribute == INDEX else np.repeat(np.arange(len(self.owners)), np.diff(matrix.indptr))
        )
        return _without_entries(matrix, self._gone[histories])


def _without_entries(matrix: Csr, gone: Mask) -> Csr:
    """Return a matrix of the same shape without some of its stored entries; `gone` has shape (nnz,), bool."""
    kept = ~gone
    starts = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return as_csr(sp.csr_array((matrix.data[kept], matrix.indices[kept], starts), shape=matrix.shape))
