"""How long a call waits before this server takes it up, found by asking the server how it is, as any client would.

Calls that arrived wait inside gRPC until the event loop takes them up one by one. Neither the loop nor the calls say
how long that takes, and a loop that works through such a queue has no late callbacks of its own.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from shared.config import Agent
from shared.errors import FailedPrecondition
from shared.rpc.tls import probe_channel

SHORT_SECONDS = 0.05
"""A check that takes no longer found few calls before it, on a slow machine too."""
LONGEST_SECONDS = 0.5
"""A check that takes longer counts as so long: what matters is that calls wait."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}  # noqa: S104 - bound by the operator
"""Addresses that a server binds to and nobody can call, and what stands for them on this machine."""


class OwnQueue:
    """Asks the server of `agent` at `host` and `port` of this process; `files` are the settings of certificates."""

    def __init__(self, agent: Agent, host: str, port: int, files: Mapping[str, str]) -> None:
        self._agent = agent
        self._target = f"{EVERYWHERE.get(host, host)}:{port}"
        self._files = files
        self._channel: grpc.aio.Channel | None = None

    async def seconds(self) -> float:
        """Return how long a check took, at most LONGEST_SECONDS; 0 when the server could not be asked."""
        started = time.monotonic()
        try:
            check = health_pb2_grpc.HealthStub(self._open()).Check  # type: ignore[attr-defined]
            await check(health_pb2.HealthCheckRequest(), timeout=LONGEST_SECONDS)
        except FailedPrecondition:  # certificates in the middle of a renewal: whoever serves with them logs it
            return 0.0
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.CANCELLED:  # gRPC's queue is full
                return LONGEST_SECONDS
            if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                await self.close()  # the certificate may have been renewed: trust the new one
                return 0.0
        return time.monotonic() - started

    async def until_short(self, longest_seconds: float) -> None:
        """Wait until all calls that have arrived are taken up, or no longer than said.

        Calls that the loop has not taken up when a server stops end CANCELLED; those that it has, end as they should.
        """
        until = time.monotonic() + longest_seconds
        await self.seconds()  # connects
        while await self.seconds() > SHORT_SECONDS and time.monotonic() < until:
            await asyncio.sleep(SHORT_SECONDS)  # where the queue is full, an answer comes at once

    async def close(self) -> None:
        """Close the connection; the next question opens another. Safe to repeat."""
        channel, self._channel = self._channel, None
        if channel is not None:
            with suppress(grpc.aio.UsageError):
                await channel.close()

    def _open(self) -> grpc.aio.Channel:
        if self._channel is None:
            credentials, options = probe_channel(self._agent, self._files)
            options = [*options, ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
            self._channel = (
                grpc.aio.secure_channel(self._target, credentials, options)
                if credentials
                else grpc.aio.insecure_channel(self._target, options)
            )
        return self._channel
