"""A client of the coordinator for the commands: one channel, a deadline on every call."""

from collections.abc import Iterator
from contextlib import contextmanager

from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from shared.config import Settings
from shared.rpc.client import open_coordinator

TIMEOUT_SECONDS = 10.0


@contextmanager
def coordinator(address: str) -> Iterator[pb_grpc.CoordinatorServiceStub]:
    """Give a stub of the coordinator at `address`, with the certificates and the API key of the settings."""
    with open_coordinator(Settings(), address) as channel:
        yield pb_grpc.CoordinatorServiceStub(channel)
