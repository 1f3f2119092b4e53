"""How every process calls an agent: load balancing, retries, deadlines handed down, errors turned back."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc

from shared.rpc.interceptor import deadline
from shared.rpc.server import MAX_MESSAGE_BYTES
from shared.rpc.status import from_rpc_error
from shared.telemetry import request_id

# Every RPC between the agents is safe to repeat, or is refused before it starts, when the answer is UNAVAILABLE.
SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
}


def channel_options() -> list[tuple[str, str | int]]:
    """Return the options of every channel: balancing, retries, quick reconnection, message size."""
    return [
        ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 250),
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
    ]


def open_channel(target: str) -> grpc.aio.Channel:
    """Return a channel to `target`; a DNS name with several addresses is balanced round-robin and looked up anew."""
    return grpc.aio.insecure_channel(target, options=channel_options())


async def call(method: Any, request: Any, timeout_seconds: float, reserve_seconds: float = 0.0) -> Any:
    """Call a unary method, for at most `timeout_seconds` or what is left of the caller's own deadline.

    Of what is left, `reserve_seconds` are kept for work after a call that failed, but never more than half.

    Raises the QuintetError that the agent answered with; Unavailable when it does not answer in time.
    """
    try:
        return await method(request, timeout=_remaining(timeout_seconds, reserve_seconds), metadata=_metadata())
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


async def stream(method: Any, request: Any) -> AsyncIterator[Any]:
    """Call a method that streams its answers; raises as `call` does."""
    try:
        async for response in method(request, metadata=_metadata()):
            yield response
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from error


def _remaining(timeout_seconds: float, reserve_seconds: float) -> float:
    until = deadline.get()
    if until is None:
        return timeout_seconds
    left = until - time.monotonic()
    return max(0.0, min(timeout_seconds, left - min(reserve_seconds, left / 2)))


def _metadata() -> tuple[tuple[str, str], ...]:
    return (("x-request-id", request_id.get()),) if request_id.get() else ()
