"""How requests are read, so that one that cannot be read is refused like any other: with a reason and details."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.message import DecodeError
from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import InvalidArgument, MessageTooLarge, QuintetError
from shared.limits import FRAME_BYTES
from shared.rpc.rights import right_of


class _Unreadable:
    """Stands for a request that was refused before anybody saw it."""

    def __init__(self, error: QuintetError) -> None:
        self.error = error


def reading(deserialize: Callable[[bytes], Any] | None, method: str) -> Callable[[bytes], Any]:
    """Return what reads a method's requests. An error goes with the request: gRPC would say it without details."""
    most = right_of(method).work.limits.bytes

    def read(data: bytes) -> Any:
        if len(data) > most + FRAME_BYTES:
            return _Unreadable(MessageTooLarge.of(most))
        try:
            return data if deserialize is None else deserialize(data)
        except (DecodeError, ValueError):
            problem = "the request is not a message of its type"
            facts = {"method": method}
            return _Unreadable(InvalidArgument(problem, reason=ErrorReason.MESSAGE_MALFORMED, metadata=facts))

    return read


def readable(request: Any) -> Any:
    """Return a request, or a stream that raises at the message that could not be read. Raises why one was refused."""
    if isinstance(request, _Unreadable):
        raise request.error
    return _each_readable(request) if hasattr(request, "__aiter__") else request


async def _each_readable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield readable(request)
