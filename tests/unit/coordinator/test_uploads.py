"""Streams are taken in portions; what the owner objects to is left out and said, the rest is kept."""

from collections.abc import AsyncIterator, Sequence

import pytest

from services.coordinator.uploads import MOST_REJECTIONS, PORTION, Tally, Upload, portions
from shared.errors import AlreadyExists, FieldViolation, InvalidArgument, NotFound, Unavailable


async def stream(items: Sequence[str]) -> AsyncIterator[str]:
    for item in items:
        yield item


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
    assert [portion async for portion in portions(stream("abcde"), size=2)] == [["a", "b"], ["c", "d"], ["e"]]
    assert [portion async for portion in portions(stream(""), size=2)] == []


async def test_bad_items_are_said_by_their_place_in_the_stream_and_good_ones_are_kept() -> None:
    owner = FakeOwner()
    items = [f"good{n}" for n in range(PORTION + 3)]
    items[1] = "bad-a"
    items[PORTION + 1] = "bad-b"
    tally = await Upload(owner.send, str, "items").run(stream(items))
    assert [(each.index, each.id) for each in tally.rejections] == [(1, "bad-a"), (PORTION + 1, "bad-b")]
    assert {each.error.field for each in tally.rejections} == {"name"}
    assert (tally.created, tally.updated, tally.rejected) == (PORTION + 1, 0, 2)
    assert owner.kept == [item for item in items if item.startswith("good")]


async def test_a_repeated_id_counts_as_an_update() -> None:
    owner = FakeOwner()
    tally = await Upload(owner.send, str, "items").run(stream(["a", "b", "a"]))
    assert (tally.created, tally.updated) == (2, 1)
    assert sorted(owner.kept) == ["a", "b"]


async def test_what_is_no_items_fault_is_raised() -> None:
    async def out_of_reach(items: Sequence[str]) -> tuple[int, int]:
        raise Unavailable("no answer")

    async def vague(items: Sequence[str]) -> tuple[int, int]:
        raise AlreadyExists("somewhere", (FieldViolation("elsewhere", "x"),))

    for send, error in ((out_of_reach, Unavailable), (vague, AlreadyExists)):
        with pytest.raises(error):
            await Upload(send, str, "items").run(stream(["a"]))


def test_only_the_first_rejections_are_kept_but_all_are_counted() -> None:
    tally = Tally()
    for index in range(MOST_REJECTIONS + 5):
        tally.reject(index, "x", NotFound("x"))
    assert (tally.rejected, len(tally.rejections)) == (MOST_REJECTIONS + 5, MOST_REJECTIONS)
    assert tally.rejections[0].error.field == ""
