"""How every process calls an agent: load balancing, retries, deadlines handed down, errors turned back."""

import json
import os
import zlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import structlog

from shared.config import Settings
from shared.errors import QuintetError
from shared.lease import LEASE_KEY, working_for
from shared.limits import FRAME_BYTES, MAX_MESSAGE_BYTES, MAX_READ_BYTES
from shared.rpc.deadline import seconds_left
from shared.rpc.key_metadata import WithKey, key_of
from shared.rpc.renewing_channel import RenewingChannel
from shared.rpc.retries import method_config
from shared.rpc.status import from_rpc_error
from shared.rpc.tls import TLS_CONNECT_MS, TlsFiles, channel_credentials, client_files, named
from shared.telemetry import request_id
from shared.tracing import client_span

log = structlog.get_logger()
IN_TURN: dict[str, Any] = {"round_robin": {}}
"""Replicas are called one after the other."""
CONNECT_MS = 500
"""How long an attempt to connect may take, in spite of the option's name."""
SHOPPER_KEY = "x-shopper-hash"
BY_SHOPPER: dict[str, Any] = {"ring_hash_experimental": {"requestHashHeader": SHOPPER_KEY}}
"""The same replica is called for the same shopper, as long as it is there; without a shopper, any (gRFC A76)."""
# gRPC refuses `requestHashHeader` without it, and reads it when the first such channel is opened.
os.environ.setdefault("GRPC_EXPERIMENTAL_RING_HASH_SET_REQUEST_HASH_KEY", "true")


def channel_options(
    balancing: dict[str, Any] | None = None, *, tls: bool = False, events_have_ids: bool = False
) -> list[tuple[str, str | int]]:
    """Return the options of every channel: balancing (in turn unless given), retries, reconnection, message size.

    With `events_have_ids`, recording is repeated as reads are.
    """
    methods = method_config(events_have_ids=events_have_ids)
    service_config = {"loadBalancingConfig": [balancing or IN_TURN], "methodConfig": methods}
    return [
        ("grpc.service_config", json.dumps(service_config)),
        ("grpc.max_receive_message_length", MAX_READ_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES + FRAME_BYTES),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", TLS_CONNECT_MS if tls else CONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", 250),
        ("grpc.dns_min_time_between_resolutions_ms", 1000),
        ("grpc.keepalive_time_ms", 20_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),  # a quiet stream is looked after as long as it lasts
    ]


def open_channel(
    target: str, balancing: dict[str, Any] | None = None, tls: TlsFiles | None = None, name: str = ""
) -> grpc.aio.Channel:
    """Return a channel to `target`; a DNS name with several addresses is balanced and looked up anew.

    With `tls` it is encrypted, follows renewed files, and the other side must show a certificate for `name`, such as an
    agent's; without a name, for the host of `target`. Raises FailedPrecondition when the files cannot be used.
    """
    options = channel_options(balancing, tls=tls is not None)
    if tls is None:
        return grpc.aio.insecure_channel(target, options=options)
    files, wanted = tls, [*options, *(named(name) if name else [])]
    return RenewingChannel(lambda: grpc.aio.secure_channel(target, channel_credentials(files), wanted), files.stamp)


def open_coordinator(settings: Settings, address: str = "", *, events_have_ids: bool = False) -> grpc.Channel:
    """Return a blocking channel to the coordinator with the certificates and the API key of the settings.

    It repeats by itself what may be done twice; recording too for a caller whose events and feedback have ids.

    Raises FailedPrecondition when a file of them cannot be read.
    """
    target, tls = address or settings.coordinator_address, client_files(settings.tls_files)
    options = channel_options(tls=tls is not None, events_have_ids=events_have_ids)
    channel = (
        grpc.secure_channel(target, channel_credentials(tls), options)
        if tls
        else grpc.insecure_channel(target, options)
    )
    key = key_of(settings)
    return grpc.intercept_channel(channel, WithKey(key)) if key else channel


async def call(
    method: Any, request: Any, timeout_seconds: float, reserve_seconds: float = 0.0, shopper: str = ""
) -> Any:
    """Call a unary method, for at most `timeout_seconds` or what is left of the caller's own deadline.

    Of what is left, `reserve_seconds` are kept for work after a call that failed, and in any case what the way of an
    answer takes, but never more than half. On a channel that balances `BY_SHOPPER`, calls with the same `shopper`, any
    text, go to the same replica.

    Raises the QuintetError that the agent answered with; Unavailable when it does not answer in time.
    """
    with client_span(request) as carried:
        try:
            left = seconds_left(reserve_seconds)
            timeout = timeout_seconds if left is None else min(timeout_seconds, left)
            metadata = (*_metadata(), *_shopper_metadata(shopper), *carried)
            return await method(request, timeout=timeout, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error


async def stream(method: Any, request: Any) -> AsyncIterator[Any]:
    """Call a method that streams its answers; raises as `call` does."""
    with client_span(request) as carried:
        try:
            async for response in method(request, metadata=(*_metadata(), *carried)):
                yield response
        except grpc.aio.AioRpcError as error:
            raise _translated(error) from error


def _translated(error: grpc.aio.AioRpcError) -> QuintetError:
    """Return the error behind a failed call; gRPC's own words, which it does not pass on, go to the log."""
    said = from_rpc_error(error)
    if said.message != error.details():
        log.debug("call of an agent failed", code=error.code().name, details=error.details())
    return said


def _metadata() -> tuple[tuple[str, str], ...]:
    request = (("x-request-id", request_id.get()),) if request_id.get() else ()
    lease = working_for.get()
    return request if lease is None else (*request, (LEASE_KEY, str(lease)))


def _shopper_metadata(shopper: str) -> tuple[tuple[str, str], ...]:
    """Return a hash of the shopper: metadata are ASCII, and an id has no business in the logs of proxies."""
    return ((SHOPPER_KEY, f"{zlib.crc32(shopper.encode()):08x}"),) if shopper else ()
