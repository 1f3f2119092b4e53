"""A channel that is opened anew when the files of its certificate were renewed."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import grpc
import structlog

from shared.errors import FailedPrecondition

LOOK_SECONDS = 1.0
OLD_CALLS_SECONDS = 3600.0
"""How long calls on the channel before may go on: longer than a training."""

log = structlog.get_logger()


class RenewingChannel(grpc.aio.Channel):
    """Delegates to a channel, and to a new one after a renewal. What it gave out as methods calls the newest.

    Parameters
    ----------
    open_channel : callable
        Returns a channel by the files as they are. May raise FailedPrecondition: the channel before stays.
    stamp : callable
        Returns what changes with the files.
    """

    def __init__(self, open_channel: Callable[[], grpc.aio.Channel], stamp: Callable[[], object]) -> None:
        self._open = open_channel
        self._stamp_now = stamp
        self._stamp = stamp()
        self._current = open_channel()
        self._looked_at = time.monotonic()
        self._closing: set[asyncio.Task[None]] = set()

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return the method, as `grpc.aio.Channel` does."""
        return _Method(self, "unary_unary", args, kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return the method, as `grpc.aio.Channel` does."""
        return _Method(self, "unary_stream", args, kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """Return the method, as `grpc.aio.Channel` does."""
        return _Method(self, "stream_unary", args, kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """Return the method, as `grpc.aio.Channel` does."""
        return _Method(self, "stream_stream", args, kwargs)

    def newest(self) -> grpc.aio.Channel:
        """Return the channel of the files as they are; looks at them once a second."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._looked_at = now
            self._renew()
        return self._current

    async def close(self, grace: float | None = None) -> None:
        """Close the channel and those before it."""
        for task in self._closing:
            task.cancel()
        await self._current.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return the state of the newest channel."""
        return self._current.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait as the newest channel does."""
        await self._current.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the newest channel is ready."""
        await self._current.channel_ready()

    async def __aenter__(self) -> "RenewingChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _renew(self) -> None:
        try:
            stamp = self._stamp_now()
            if stamp == self._stamp:
                return
            renewed = self._open()
        except (FailedPrecondition, OSError) as error:
            log.warning("the renewed certificate cannot be used, the one before stays", error=str(error))
            return
        closing = asyncio.get_running_loop().create_task(self._current.close(OLD_CALLS_SECONDS))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        self._current, self._stamp = renewed, stamp


class _Method:
    """A method of the newest channel, made once for each channel."""

    def __init__(self, channel: RenewingChannel, kind: str, args: Any, kwargs: Any) -> None:
        self._channel = channel
        self._make = (kind, args, kwargs)
        self._of: grpc.aio.Channel | None = None
        self._method: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        newest = self._channel.newest()
        if newest is not self._of:
            kind, given, named = self._make
            self._method, self._of = getattr(newest, kind)(*given, **named), newest
        return self._method(*args, **kwargs)
