"""Sparse matrices as they are served: an entry is a whole number of steps of its row, in a byte or two."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import AnyArray, Csr, FloatArray, as_csr

ROW_SCALE = "row_scale"
"""Name of `RowSteps.scale` among the arrays of a matrix."""


@dataclass(frozen=True, eq=False)
class RowSteps:
    """A CSR matrix with entry = step · scale of the row. Sums over rows read 5 bytes an entry in place of 8.

    Parameters
    ----------
    indptr, indices : ndarray
        As in a CSR matrix.
    data : ndarray of shape (nnz,), int8, uint8 or uint16
        The steps.
    scale : ndarray of shape (n_rows,), float32
        Size of a step of each row.
    shape : tuple of int
    """

    indptr: AnyArray
    indices: AnyArray
    data: AnyArray
    scale: FloatArray
    shape: tuple[int, int]

    @cached_property
    def csr(self) -> Csr:
        """The matrix in floats: for many shoppers at once."""
        data = self.data * np.repeat(self.scale, np.diff(self.indptr))
        return as_csr(sp.csr_array((data, self.indices, self.indptr), shape=self.shape))


SparseMatrix = Csr | RowSteps


def floats(matrix: SparseMatrix) -> Csr:
    """Return a matrix with its entries as floats."""
    return matrix.csr if isinstance(matrix, RowSteps) else matrix


def row_weights(matrix: SparseMatrix, rows: AnyArray, weights: FloatArray) -> FloatArray:
    """Return the weights that the stored entries of the given rows are to be multiplied by for weighted sums."""
    return weights * matrix.scale[rows] if isinstance(matrix, RowSteps) else weights
