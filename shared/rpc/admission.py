"""How many calls a server works on at once: as many as it answers in time, the cheap and urgent before the dear.

The number of places follows how long new calls wait to be taken up, and how late callbacks of the event loop come:
when either takes longer than it should, places become fewer by a tenth, else they grow by a few while they are used
(additive increase, multiplicative decrease, as TCP does for packets; Chiu and Jain, 1989). Each kind of work may fill
its share of the places only, so that a list or an export is refused long before a shopper's page is.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable

from shared.errors import Overloaded
from shared.rpc.rights import Work
from shared.telemetry import ADMISSION_PLACES

FEWEST_PLACES = 8
MOST_PLACES = 1_000
LOOK_SECONDS = 0.02
LOOKS = 5
"""The shortest of so many delays counts: a single long one is a garbage collection or a burst, not a queue."""
LONGEST_DELAY_SECONDS = 0.02
FEWER = 0.9
MORE = 8


class Admission:
    """Places for calls. `start` follows the delays, `stop` ends that; without it the places stay all."""

    def __init__(self, agent: str, most: int = MOST_PLACES) -> None:
        self._most = most
        self.of_one_caller = 1.0
        """Multiplies how many calls of a method a key may have in progress; at least one is allowed."""
        self.places = float(most)
        self._taken = 0
        self._by_caller: Counter[tuple[str, str]] = Counter()
        self._gauge = ADMISSION_PLACES.labels(agent)
        self._task: asyncio.Task[None] | None = None

    @property
    def taken(self) -> int:
        """Calls being worked on."""
        return self._taken

    def enter(self, key_id: str, method: str, work: Work) -> None:
        """Take a place. Raises Overloaded when there is none for this kind of work, or too many of the key's calls."""
        if self._taken >= self.places * work.limits.share:
            raise Overloaded(f"{self._taken} calls are being answered; {work.name} calls wait for a quieter moment")
        most = max(1, round(work.limits.at_once * self.of_one_caller))
        if key_id and self._by_caller[key_id, method] >= most:
            raise Overloaded(f"{most} calls of this method are being answered for the same caller")
        self._taken += 1
        self._by_caller[key_id, method] += 1

    def leave(self, key_id: str, method: str) -> None:
        """Give the place back."""
        self._taken -= 1
        self._by_caller[key_id, method] -= 1
        if not self._by_caller[key_id, method]:
            del self._by_caller[key_id, method]

    def adapt(self, delay_seconds: float) -> None:
        """Follow the delay that calls had lately."""
        if delay_seconds > LONGEST_DELAY_SECONDS:
            self.places = max(FEWEST_PLACES, min(self.places, self._taken or self.places) * FEWER)
        elif self._taken * 2 > self.places or self.places < FEWEST_PLACES * 16:
            self.places = min(self._most, self.places + MORE)
        self._gauge.set(self.places)

    def start(self, queue_seconds: Callable[[], Awaitable[float]]) -> None:
        """Begin to follow the delay of the running event loop, and how long calls wait by `queue_seconds`."""
        self._task = asyncio.create_task(self._follow(queue_seconds))

    async def stop(self) -> None:
        """Stop following. Safe to repeat."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _follow(self, queue_seconds: Callable[[], Awaitable[float]]) -> None:
        while True:
            self.adapt(await _standing_delay(queue_seconds))


async def _standing_delay(queue_seconds: Callable[[], Awaitable[float]]) -> float:
    """Return the shortest delay of several looks; the first that is short enough ends the asking."""
    shortest = float("inf")
    for _ in range(LOOKS):
        loop_delay = await _loop_delay()
        if shortest > LONGEST_DELAY_SECONDS:
            shortest = min(shortest, max(loop_delay, await queue_seconds()))
    return shortest


async def _loop_delay() -> float:
    """Return by how many seconds a callback of the event loop comes too late."""
    loop = asyncio.get_running_loop()
    due = loop.time() + LOOK_SECONDS
    await asyncio.sleep(LOOK_SECONDS)
    return max(0.0, loop.time() - due)
