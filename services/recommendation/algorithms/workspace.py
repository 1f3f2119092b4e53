"""Scratch arrays that each thread reuses, so that a request need not allocate arrays of the catalogue's size."""

import threading

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Rows
from services.recommendation.algorithms.bits import Words


class Workspace:
    """Scratch arrays of one thread for catalogues of up to `size` products.

    A function that writes to an array must reset it: `sums` and `met` to all 0, `slots` to all -1. `touched` may have
    any values.

    Parameters
    ----------
    size : int
        Length of `sums` and `slots`. `touched` has one entry more, and `met` has a bit for each product.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.sums: FloatArray = np.zeros(size, np.float32)
        self.slots: Rows = np.full(size, -1, np.int32)
        self.met: Words = np.zeros((size >> 6) + 1, np.uint64)
        self.touched: Rows = np.empty(size + 1, np.int32)


class _OfThread(threading.local):
    workspace: Workspace | None = None


_OF_THREAD = _OfThread()


def workspace(size: int) -> Workspace:
    """Return the workspace of the calling thread, with arrays of at least `size` entries."""
    found = _OF_THREAD.workspace
    if found is None or found.size < size:
        found = _OF_THREAD.workspace = Workspace(size)
    return found
