"""Runs several pieces of long work at the same time and passes their progress on as it comes."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import NamedTuple

from shared.jobs import Progress


class _End(NamedTuple):
    """A piece of work has ended, with an error or without."""

    error: BaseException | None = None


async def side_by_side(
    pieces: Mapping[str, AsyncGenerator[Progress, None]],
) -> AsyncGenerator[tuple[str, Progress], None]:
    """Run all pieces at once and yield their names and progress.

    Raises the first error of a piece. The others are ended then, as they are when the iteration is given up.
    """
    said: asyncio.Queue[tuple[str, Progress] | _End] = asyncio.Queue()
    tasks = [asyncio.create_task(_follow(name, piece, said)) for name, piece in pieces.items()]
    running = len(tasks)
    try:
        while running:
            item = await said.get()
            if not isinstance(item, _End):
                yield item
            elif item.error is None:
                running -= 1
            else:
                raise item.error
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(
    name: str, piece: AsyncGenerator[Progress, None], said: "asyncio.Queue[tuple[str, Progress] | _End]"
) -> None:
    error: BaseException | None = None
    try:
        async with aclosing(piece):
            async for progress in piece:
                said.put_nowait((name, progress))
    except Exception as raised:  # whoever follows the pieces gets it
        error = raised
    said.put_nowait(_End(error))
