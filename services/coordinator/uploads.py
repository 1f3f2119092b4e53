"""Streams of customers, products and events: taken in portions, good ones kept, bad ones said one by one."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from google.protobuf.message import Message

from services.coordinator.byte_budget import ByteBudget
from shared.errors import AlreadyExists, InvalidArgument, QuintetError
from shared.limits import MAX_PORTION_BYTES, MAX_REJECTIONS

PORTION = 500
T = TypeVar("T")


@dataclass(frozen=True)
class Rejected:
    """One thing that was not accepted: its place, its id and why."""

    index: int
    id: str
    error: QuintetError


@dataclass
class Tally:
    """What became of a stream so far. Only the first 1,000 rejections are kept; all are counted."""

    created: int = 0
    updated: int = 0
    rejected: int = 0
    rejections: list[Rejected] = field(default_factory=list)

    def reject(self, index: int, name: str, error: QuintetError) -> None:
        """Count a rejection."""
        self.rejected += 1
        if len(self.rejections) < MAX_REJECTIONS:
            self.rejections.append(Rejected(index, name, error))


class Portion(NamedTuple, Generic[T]):
    """Some elements of a stream, and their bytes in all."""

    items: list[T]
    bytes: int


def message_bytes(message: Message) -> int:
    """Return the bytes of a message on the wire."""
    return message.ByteSize()


async def portions(
    items: AsyncIterator[T], size: int, bytes_of: Callable[[T], int], most_bytes: int = MAX_PORTION_BYTES
) -> AsyncIterator[Portion[T]]:
    """Yield what comes in portions of at most `size` and `most_bytes`; an element that is larger has its own."""
    portion: list[T] = []
    total = 0
    async for item in items:
        more = bytes_of(item)
        if portion and total + more > most_bytes:
            yield Portion(portion, total)
            portion, total = [], 0
        portion.append(item)
        total += more
        if len(portion) == size:
            yield Portion(portion, total)
            portion, total = [], 0
    if portion:
        yield Portion(portion, total)


@dataclass
class Upload(Generic[T]):
    """Upserts portions that the owner takes all or none; leaves out what it objects to and tries the rest again.

    `send` upserts a list and returns (created, updated); `name` gives an item's id; `items_field` is the list's field
    in the owner's request, by which its errors name the item at fault; `bytes_of` gives an item's size. Portions wait
    until the `budget` of all streams has room for them.
    """

    send: Callable[[Sequence[T]], Awaitable[tuple[int, int]]]
    name: Callable[[T], str]
    items_field: str
    bytes_of: Callable[[T], int]
    budget: ByteBudget

    async def run(self, items: AsyncIterator[T]) -> Tally:
        """Upload a stream and return what became of it. Raises what is nobody's fault, such as Unavailable."""
        tally, start = Tally(), 0
        async for portion in portions(items, PORTION, self.bytes_of):
            await self.budget.take(portion.bytes)
            try:
                for some in self._rounds(portion.items, start):
                    await self._upload(some, tally)
            finally:
                self.budget.give_back(portion.bytes)
            start += len(portion.items)
        return tally

    async def _upload(self, left: list[tuple[int, T]], tally: Tally) -> None:
        while left:
            try:
                created, updated = await self.send([item for _, item in left])
            except (InvalidArgument, AlreadyExists) as error:
                fault = self._fault(error, len(left))
                index, item = left.pop(fault)
                tally.reject(index, self.name(item), error.renamed(f"{self.items_field}[{fault}].", ""))
            else:
                tally.created += created
                tally.updated += updated
                return

    def _rounds(self, portion: list[T], start: int) -> list[list[tuple[int, T]]]:
        """Return the items with their places in lists that have each id once, because the owner takes each once a call.

        An item may update a part only, so a later one with the same id does not replace it.
        """
        rounds: list[list[tuple[int, T]]] = []
        seen: Counter[str] = Counter()
        for index, item in enumerate(portion, start):
            name = self.name(item)
            if seen[name] == len(rounds):
                rounds.append([])
            rounds[seen[name]].append((index, item))
            seen[name] += 1
        return rounds

    def _fault(self, error: QuintetError, count: int) -> int:
        """Return which item the owner objects to. Raises the error where it does not say."""
        for violation in error.violations:
            match = re.match(rf"{self.items_field}\[(\d+)\]", violation.field)
            if match and int(match.group(1)) < count:
                return int(match.group(1))
        raise error
