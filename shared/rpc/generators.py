"""Generators that wait for the database, iterated without blocking the event loop."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


async def in_threads(values: Generator[T, None, None], at_once: int = 1) -> AsyncGenerator[T, None]:
    """Yield the values of a generator, which runs in threads, `at_once` values at a time; it is closed at the end."""
    try:
        while some := await asyncio.to_thread(lambda: list(islice(values, at_once))):
            for value in some:
                yield value
    finally:
        await asyncio.to_thread(values.close)
