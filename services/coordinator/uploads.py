"""Streams of customers, products and events: taken in portions, good ones kept, bad ones said one by one."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from shared.errors import AlreadyExists, InvalidArgument, QuintetError

PORTION = 500
MOST_REJECTIONS = 1_000
T = TypeVar("T")


@dataclass(frozen=True)
class Rejected:
    """One thing that was not accepted: its place, its id and why."""

    index: int
    id: str
    error: QuintetError

    @property
    def field(self) -> str:
        """Path of the field at fault; empty when it is not a field's."""
        return self.error.violations[0].field if self.error.violations else ""


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
        if len(self.rejections) < MOST_REJECTIONS:
            self.rejections.append(Rejected(index, name, error))


async def portions(items: AsyncIterator[T], size: int = PORTION) -> AsyncIterator[list[T]]:
    """Yield what comes in lists of at most `size`."""
    portion: list[T] = []
    async for item in items:
        portion.append(item)
        if len(portion) == size:
            yield portion
            portion = []
    if portion:
        yield portion


@dataclass
class Upload(Generic[T]):
    """Upserts portions that the owner takes all or none; leaves out what it objects to and tries the rest again.

    `send` upserts a list and returns (created, updated); `name` gives an item's id; `items_field` is the list's field
    in the owner's request, by which its errors name the item at fault.
    """

    send: Callable[[Sequence[T]], Awaitable[tuple[int, int]]]
    name: Callable[[T], str]
    items_field: str

    async def run(self, items: AsyncIterator[T]) -> Tally:
        """Upload a stream and return what became of it. Raises what is nobody's fault, such as Unavailable."""
        tally, start = Tally(), 0
        async for portion in portions(items):
            for some in self._rounds(portion, start):
                await self._upload(some, tally)
            start += len(portion)
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
