"""The way into the event log: durable before it is acknowledged, many at once.

Callers that wait at the same time share one transaction (group commit): while one batch is being written, the next
gathers. So the cost of a durable write is paid per batch, and nobody waits longer than two writes.

While the database takes no writes, callers are told so before their deadline; what no write has begun with is dropped
then. What is being written may be recorded all the same, which a repetition with the same id finds out.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from quintet.type.v1.error_pb2 import ErrorReason

from services.coordinator.background import Background
from services.coordinator.event_validation import Submission
from shared.db.unjoined_events import Missing
from shared.errors import Overloaded, QuintetError, Unavailable
from shared.limits import MAX_WAITING_BYTES
from shared.rpc.deadline import seconds_left

MOST_AT_ONCE = 2_000


class CommitResult(NamedTuple):
    """What became of a submission: its number in the log, or that it was there before, or why it was refused.

    `session` is the name of the session that the event is in, where one was asked for and is known. `unjoined` says
    that it is kept until what is `missing` is known.
    """

    event_id: str
    sequence: int = 0
    duplicate: bool = False
    error: QuintetError | None = None
    session: str = ""
    unjoined: bool = False
    missing: tuple[Missing, ...] = ()


Commit = Callable[[Sequence[Submission]], list[CommitResult]]
"""Writes submissions durably, all in one transaction, and says what became of each."""


@dataclass(eq=False)
class _Waiting:
    submissions: Sequence[Submission]
    bytes: int
    answer: asyncio.Future[list[CommitResult]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class GroupCommit:
    """Gathers submissions and commits them in groups, one group at a time, in the order they came.

    The commits have a thread of their own, so that slow reads in other threads never make an event wait.
    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._wake = asyncio.Event()
        self._background = Background(self._run)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="event-writer")

    def start(self) -> None:
        """Begin to commit."""
        self._background.start()

    async def stop(self) -> None:
        """Refuse what still waits and stop. Safe to repeat."""
        await self._background.stop()
        for each in self._waiting:
            _fail(each, Unavailable("the coordinator is stopping", reason=ErrorReason.SHUTTING_DOWN))
        self._waiting.clear()
        self._thread.shutdown()

    async def record(self, submissions: Sequence[Submission]) -> list[CommitResult]:
        """Return what became of each submission, once durable.

        Raises Unavailable when nothing could be written, or not known to be by the caller's deadline; Overloaded when
        too much waits already.
        """
        if not submissions:
            return []
        waiting = _Waiting(submissions, sum([len(each.payload) for each in submissions]))
        if self._bytes and self._bytes + waiting.bytes > MAX_WAITING_BYTES:
            raise Overloaded("more events are waiting to be recorded than there is room for")
        self._bytes += waiting.bytes
        self._waiting.append(waiting)
        self._wake.set()
        try:
            async with asyncio.timeout(seconds_left()):
                return await waiting.answer
        except TimeoutError:
            self._withdraw(waiting)
            raise Unavailable(
                "it could not be recorded in time: repeat it with the same id",
                reason=ErrorReason.DATABASE_UNAVAILABLE,
            ) from None

    def _withdraw(self, waiting: _Waiting) -> None:
        """Take out what no write has begun with."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            self._bytes -= waiting.bytes

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            group = self._take()
            if not self._waiting:
                self._wake.clear()
            await self._answer(group)

    def _take(self) -> list[_Waiting]:
        """Take waiting callers, oldest first, up to 2,000 submissions but at least one caller."""
        taken = count = 0
        for each in self._waiting:
            if taken and count + len(each.submissions) > MOST_AT_ONCE:
                break
            taken += 1
            count += len(each.submissions)
        group, self._waiting = self._waiting[:taken], self._waiting[taken:]
        return group

    async def _answer(self, group: list[_Waiting]) -> None:
        together = [submission for each in group for submission in each.submissions]
        self._bytes -= sum(each.bytes for each in group)
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, together)
        except Exception as error:
            for each in group:
                _fail(each, error)
            return
        start = 0
        for each in group:
            end = start + len(each.submissions)
            if not each.answer.done():
                each.answer.set_result(outcomes[start:end])
            start = end


def _fail(waiting: _Waiting, error: Exception) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(error)
