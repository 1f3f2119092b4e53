"""Numbers that may be single or arrays."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Values: TypeAlias = float | Floats
"""One number, or an array of any shape; functions of several work elementwise."""


def quotient(dividend: Values, divisor: Values, otherwise: float = float("nan")) -> Values:
    """Return `dividend` / `divisor`, and `otherwise` where the divisor is not above 0."""
    result = np.full(np.broadcast(dividend, divisor).shape, otherwise)
    np.divide(dividend, divisor, out=result, where=np.asarray(divisor) > 0)
    return plain(result)


def plain(values: Floats | np.floating) -> Values:
    """Return an array without axes as a number, others as they are."""
    return np.asarray(values, dtype=np.float64) if np.ndim(values) else float(values)
