"""Streams are taken in portions; what the owner objects to is left out and said, the rest is kept."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.coordinator.byte_budget import ByteBudget
from services.coordinator.uploads import PORTION, Tally, Upload, portions
from shared.errors import AlreadyExists, FieldViolation, InvalidArgument, NotFound, Unavailable
from shared.limits import MAX_REJECTIONS


async def stream(items: Sequence[str]) -> AsyncIterator[str]:
    for item in items:
        yield item


Send = Callable[[Sequence[str]], Awaitable[tuple[int, int]]]


def upload(send: Send, budget: ByteBudget | None = None) -> Upload[str]:
    return Upload(send, str, "items", len, budget or ByteBudget(1_000))


class FakeOwner:
    """Keeps items all or none; objects to those that begin with `bad`, by their place in the call."""

    def __init__(self) -> None:
        self.kept: list[str] = []

    async def send(self, items: Sequence[str]) -> tuple[int, int]:
        for index, item in enumerate(items):
            if item.startswith("bad"):
                raise InvalidArgument.of(f"items[{index}].name", item, "must be good")
        new = [item for item in items if item not in self.kept]
        self.kept += new
        return len(new), len(items) - len(new)


async def test_portions_hold_all_in_order() -> None:
    assert [each.items async for each in portions(stream("abcde"), 2, len)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [portion async for portion in portions(stream(""), 2, len)] == []


@given(st.lists(st.integers(0, 12), max_size=30), st.integers(1, 5))
async def test_portions_are_bounded_by_bytes_and_what_is_larger_goes_alone(sizes: list[int], most: int) -> None:
    items = [str(index) for index in range(len(sizes))]
    found = [each async for each in portions(stream(items), most, lambda item: sizes[int(item)], most_bytes=10)]
    assert [item for portion in found for item in portion.items] == items
    for portion in found:
        assert 1 <= len(portion.items) <= most
        assert portion.bytes == sum(sizes[int(item)] for item in portion.items)
        assert portion.bytes <= 10 or len(portion.items) == 1


async def test_bad_items_are_said_by_their_place_in_the_stream_and_good_ones_are_kept() -> None:
    owner = FakeOwner()
    items = [f"good{n}" for n in range(PORTION + 3)]
    items[1] = "bad-a"
    items[PORTION + 1] = "bad-b"
    tally = await upload(owner.send).run(stream(items))
    assert [(each.index, each.id) for each in tally.rejections] == [(1, "bad-a"), (PORTION + 1, "bad-b")]
    assert {each.error.field for each in tally.rejections} == {"name"}
    assert (tally.created, tally.updated, tally.rejected) == (PORTION + 1, 0, 2)
    assert owner.kept == [item for item in items if item.startswith("good")]


async def test_a_repeated_id_counts_as_an_update() -> None:
    owner = FakeOwner()
    tally = await upload(owner.send).run(stream(["a", "b", "a"]))
    assert (tally.created, tally.updated) == (2, 1)
    assert sorted(owner.kept) == ["a", "b"]


async def test_what_is_no_items_fault_is_raised() -> None:
    async def out_of_reach(items: Sequence[str]) -> tuple[int, int]:
        raise Unavailable("no answer")

    async def vague(items: Sequence[str]) -> tuple[int, int]:
        raise AlreadyExists("somewhere", (FieldViolation("elsewhere", "x"),))

    for send, error in ((out_of_reach, Unavailable), (vague, AlreadyExists)):
        with pytest.raises(error):
            await upload(send).run(stream(["a"]))


def test_only_the_first_rejections_are_kept_but_all_are_counted() -> None:
    tally = Tally()
    for index in range(MAX_REJECTIONS + 5):
        tally.reject(index, "x", NotFound("x"))
    assert (tally.rejected, len(tally.rejections)) == (MAX_REJECTIONS + 5, MAX_REJECTIONS)
    assert tally.rejections[0].error.field == ""


async def test_the_room_of_a_portion_is_given_back_whatever_comes_of_it() -> None:
    budget = ByteBudget(10)

    async def out_of_reach(items: Sequence[str]) -> tuple[int, int]:
        raise Unavailable("no answer")

    with pytest.raises(Unavailable):
        await upload(out_of_reach, budget).run(stream(["a" * 10]))
    await asyncio.wait_for(budget.take(10), 1)


async def test_a_portion_waits_until_there_is_room_for_it() -> None:
    budget, owner = ByteBudget(10), FakeOwner()
    await budget.take(5)  # by another stream
    uploading = asyncio.create_task(upload(owner.send, budget).run(stream(["a" * 10])))
    for _ in range(20):
        await asyncio.sleep(0)
    assert owner.kept == []
    budget.give_back(5)
    assert (await asyncio.wait_for(uploading, 10)).created == 1
