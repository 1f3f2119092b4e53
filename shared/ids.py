"""Ids that Quintet gives to what came without one."""

import hashlib
import os
import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

NANOS_A_MILLISECOND = 1_000_000


def new_id() -> str:
    """Return a fresh id of 32 hexadecimal digits: 12 of the present moment in milliseconds, 20 by chance.

    Ids made one after the other are neighbours in an index; with ids by chance alone every row of a batch would change
    a page of its own.
    """
    return f"{time.time_ns() // NANOS_A_MILLISECOND:012x}{os.urandom(10).hex()}"


def digests(texts: Iterable[str]) -> NDArray[np.uint64]:
    """Return a number of 64 bits for each text, shape (n,): eight bytes that stand for it, the same everywhere."""
    found = b"".join(hashlib.blake2b(each.encode(), digest_size=8).digest() for each in texts)
    return np.frombuffer(found, "<u8").astype(np.uint64)
