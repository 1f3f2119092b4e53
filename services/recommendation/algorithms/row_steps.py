"""Quantised sparse matrices for serving: an entry is an integer of one or two bytes times a step size of its row."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import AnyArray, Csr, FloatArray, as_csr

ROW_SCALE = "row_scale"
"""Name of `RowSteps.scale` among the saved arrays of a matrix."""


@dataclass(frozen=True, eq=False)
class RowSteps:
    """A CSR matrix with entry = step · scale of the row. With steps of one byte an entry takes 5 bytes instead of 8.

    Parameters
    ----------
    indptr, indices : ndarray
        As in a CSR matrix.
    data : ndarray of shape (nnz,), int8, uint8 or uint16
        Number of steps of each entry.
    scale : ndarray of shape (n_rows,), float32
        Step size of each row.
    shape : tuple of int
        Numbers of rows and columns.
    """

    indptr: AnyArray
    indices: AnyArray
    data: AnyArray
    scale: FloatArray
    shape: tuple[int, int]

    @cached_property
    def csr(self) -> Csr:
        """The matrix with float32 entries, for scoring many shoppers at once."""
        data = self.data * np.repeat(self.scale, np.diff(self.indptr))
        return as_csr(sp.csr_array((data, self.indices, self.indptr), shape=self.shape))


SparseMatrix = Csr | RowSteps


def floats(matrix: SparseMatrix) -> Csr:
    """Return the matrix with float32 entries."""
    return matrix.csr if isinstance(matrix, RowSteps) else matrix


def row_weights(matrix: SparseMatrix, rows: AnyArray, weights: FloatArray) -> FloatArray:
    """Return the factors of the stored entries of the given rows in a sum of rows with the given weights."""
    return weights * matrix.scale[rows] if isinstance(matrix, RowSteps) else weights
