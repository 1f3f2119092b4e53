"""How many bytes of streams may be in memory at once, over all callers."""

import asyncio


class ByteBudget:
    """Lets callers wait until there is room for what they hold. One that is larger than all the room goes alone.

    Parameters
    ----------
    most : int
        Bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._waiting: list[asyncio.Future[None]] = []

    async def take(self, count: int) -> None:
        """Wait until there is room for `count` bytes, and take it."""
        while self._taken and self._taken + count > self._most:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            await waiting
        self._taken += count

    def give_back(self, count: int) -> None:
        """Give room back that was taken."""
        self._taken -= count
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)
