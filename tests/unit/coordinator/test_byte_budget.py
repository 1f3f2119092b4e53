"""Streams wait until there is room for what they hold; who is larger than all the room goes alone."""

import asyncio

from services.coordinator.byte_budget import ByteBudget


async def settled(task: asyncio.Task[None]) -> bool:
    for _ in range(5):
        await asyncio.sleep(0)
    return task.done()


async def test_who_comes_waits_until_there_is_room() -> None:
    budget = ByteBudget(10)
    await budget.take(6)
    second = asyncio.create_task(budget.take(6))
    third = asyncio.create_task(budget.take(4))
    assert not await settled(second)
    assert await settled(third)
    budget.give_back(6)
    assert await settled(second)


async def test_what_is_larger_than_all_the_room_goes_alone() -> None:
    budget = ByteBudget(10)
    await budget.take(50)
    other = asyncio.create_task(budget.take(1))
    assert not await settled(other)
    budget.give_back(50)
    assert await settled(other)


async def test_who_gives_up_waiting_takes_no_room() -> None:
    budget = ByteBudget(10)
    await budget.take(10)
    waiting = asyncio.create_task(budget.take(5))
    assert not await settled(waiting)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    budget.give_back(10)
    await asyncio.wait_for(budget.take(10), 1)
