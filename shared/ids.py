"""Ids that Quintet gives to what came without one."""

import os
import time

NANOS_A_MILLISECOND = 1_000_000


def new_id() -> str:
    """Return a fresh id of 32 hexadecimal digits: 12 of the present moment in milliseconds, 20 by chance.

    Ids made one after the other are neighbours in an index; with ids by chance alone every row of a batch would change
    a page of its own.
    """
    return f"{time.time_ns() // NANOS_A_MILLISECOND:012x}{os.urandom(10).hex()}"
