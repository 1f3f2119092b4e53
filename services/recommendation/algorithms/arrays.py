"""Types of the arrays that algorithms accept and return."""

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

AnyArray: TypeAlias = NDArray[Any]
Rows: TypeAlias = NDArray[np.int32]
Longs: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float32]
Mask: TypeAlias = NDArray[np.bool_]
if TYPE_CHECKING:
    Csr: TypeAlias = sp.csr_array[Any, tuple[int, int]]
else:
    Csr = sp.csr_array


def as_csr(matrix: Any) -> Csr:
    """Return a sparse or dense matrix as a float32 CSR array without duplicates; columns ascend within each row."""
    rows = sp.csr_array(matrix, dtype=np.float32)
    rows.sum_duplicates()
    return cast("Csr", rows)
