"""Bodies of one JSON object a line as the messages of a stream."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from services.coordinator.http import codec
from services.coordinator.http.problem import Problem
from services.coordinator.http.request import Request
from shared.errors import InvalidArgument

LINES_IN_A_ROW = 100
"""Lines that are there already are read so many at a time: others are answered in between."""


class Upload:
    """A stream of messages out of a body. `problem` says why it broke; None while it did not."""

    def __init__(self, request: Request, message_type: Any) -> None:
        self._request = request
        self._message_type = message_type
        self.problem: Problem | None = None

    async def messages(self) -> AsyncIterator[Any]:
        """Yield the messages.

        Raises
        ------
        InvalidArgument
            If a line is no such message; names the line and the field, and no value.
        asyncio.CancelledError
            If the body breaks off, as gRPC ends a call whose stream breaks.
        """
        number = 0
        try:
            async for line in self._request.lines():
                number += 1
                yield self._message(line, number)
                if number % LINES_IN_A_ROW == 0:
                    await asyncio.sleep(0)
        except Problem as problem:
            self.problem = problem
            raise asyncio.CancelledError from problem

    def _message(self, line: bytes, number: int) -> Any:
        message = self._message_type()
        try:
            codec.read_now(line, message)
        except Problem as problem:
            at = ", ".join(field for field, _ in problem.field_violations) or "its JSON"
            raise InvalidArgument.of(f"line {number}", at, f"is no {message.DESCRIPTOR.name}, wrong is") from problem
        return message
