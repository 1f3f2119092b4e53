"""A client of the coordinator for the commands: one channel, a deadline on every call."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from shared.rpc.client import channel_options

TIMEOUT_SECONDS = 10.0


@contextmanager
def coordinator(address: str) -> Iterator[pb_grpc.CoordinatorServiceStub]:
    """Give a stub of the coordinator at `address`."""
    with grpc.insecure_channel(address, options=channel_options()) as channel:
        yield pb_grpc.CoordinatorServiceStub(channel)
