"""Faults of the wall clock: it jumps forward and back under running agents, whose monotonic clock goes on."""

import time

from benchmarks.faults.shops import Shop
from benchmarks.faults.stage import Found, staged
from benchmarks.movable_clock import movable_clock

JUMPS_SECONDS = (3_600, -3_600, 3 * 86_400, -86_400)
"""How far the clock is off at each time."""
OFF_SECONDS = 3.0


def clock_jumps(shop: Shop, seconds: float = OFF_SECONDS) -> Found:
    """Set the clock of all agents wrong for some seconds, both ways, and right again."""
    with movable_clock(shop.folder) as clock, staged(shop, "clock_jumps") as stage:
        for jump in JUMPS_SECONDS:
            with stage.fault(f"the clock, by {jump:+d} s"):
                clock.shift(jump)
                time.sleep(seconds)
                clock.shift(0)
    return stage.found
